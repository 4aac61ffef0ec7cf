"""Spend per key and minute with Quix Streams: run by `side_by_side` in an environment of its own.

Arguments: broker, topic, how many messages there are, a folder for its state. Prints the messages a
second, from the first to the last.
"""

import logging
import sys
import time
from datetime import timedelta
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found] # not in this environment


def main(broker: str, topic: str, messages: int, folder: str) -> None:
    """Consume, add up, and stop."""
    app = Application(
        broker_address=broker,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel=logging.ERROR,
    )
    seen, started_at = 0, 0.0

    def count(_: Any) -> None:  # noqa: ANN401 # Quix' own
        nonlocal seen, started_at
        seen += 1
        started_at = started_at or time.perf_counter()
        if seen == messages:
            sys.stdout.write(f"{messages / (time.perf_counter() - started_at)}\n")
            app.stop()

    events = app.dataframe(app.topic(topic, key_deserializer="str", value_deserializer="json"))
    spend = events.apply(lambda event: event.get("cost_usd") or 0.0)
    spend.tumbling_window(timedelta(minutes=1)).sum().current().update(count)
    app.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
