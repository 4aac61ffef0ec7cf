"""Rows a second into the store: as the sink writes them, one by one, and bare columns."""

import gc
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from clickhouse_connect.driver.insert import InsertContext

from pipeline.accept import Accepted
from pipeline.config import Store as StoreConfig
from pipeline.enrich.sources import Source
from pipeline.store import Store
from pipeline.store.rows import USAGE_EVENTS, precedences
from schemas.usage_event import UsageEvent

ROWS = 400_000
BATCH_ROWS = 50_000
SINGLE_ROWS = 300
Positioned = tuple[int, Accepted]


def make_events(rows: int, seed: int = 1) -> list[Positioned]:
    """Events of 10,000 keys with every field that gateways fill in."""
    draw = random.Random(seed)  # noqa: S311 - no cryptography
    sources = [_source(draw, number) for number in range(2_000)]
    events = [_event(draw, number, sources) for number in range(rows)]
    return list(zip(precedences(0, rows), events, strict=True))


def _source(draw: random.Random, number: int) -> Source:
    return Source(
        ip=f"203.0.{number % 256}.{number // 256}",
        prefix=f"203.0.{number % 256}.0/24",
        country=draw.choice(("US", "DE", "FR", "JP")),
        asn=64_500 + number % 50,
        network=f"Network {number % 50}",
        kind=draw.choice((None, None, "hosting")),
        digest=number,
    )


def _event(draw: random.Random, number: int, sources: Sequence[Source]) -> Accepted:
    at = 1.76e9 + number * 0.01
    event = UsageEvent(
        event_id=f"chatcmpl-{draw.getrandbits(96):024x}",
        occurred_at=at,
        key_id=f"sha256:{draw.randrange(10_000):064x}",
        source="litellm",
        provider="openai",
        model=draw.choice(("gpt-4o", "gpt-4o-mini", "o3", "gpt-4.1")),
        operation="chat",
        input_tokens=draw.randrange(5_000),
        output_tokens=draw.randrange(900),
        latency_ms=draw.random() * 1e3,
        time_to_first_token_ms=draw.random() * 1e2,
        stream=True,
        user_agent=f"OpenAI/Python 1.{number % 9}",
        end_user=f"user-{number % 999}",
        team=f"team-{number % 20}",
        environment="prod",
    )
    nanos = draw.randrange(10**8)
    return Accepted(event, at, nanos, priced=True, source=draw.choice(sources), index=0)


def measure() -> dict[str, float]:
    """Rows a second by way of writing, printed and returned."""
    events = make_events(ROWS)
    gc.freeze()  # the events are not what is measured
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder) / "http") as server:
        with Store.open(StoreConfig(path=Path(folder) / "embedded")) as embedded:
            figures = {
                "sink_rows_per_s": _batches(embedded, events),
                "sink_bare_rows_per_s": _bare(embedded, events),
                "sink_per_event_rows_per_s": _singles(embedded, events[:SINGLE_ROWS]),
            }
            _check(embedded, events)
        with Store.open(server) as served:
            figures["sink_http_rows_per_s"] = _batches(served, events)
            figures["sink_http_bare_rows_per_s"] = _bare(served, events)
            _check(served, events)
    gc.unfreeze()
    _print(figures)
    return figures


def _batches(store: Store, events: list[Positioned]) -> float:
    store.migrate()

    def insert() -> None:
        for start in range(0, len(events), BATCH_ROWS):
            store.insert(USAGE_EVENTS, events[start : start + BATCH_ROWS])

    return _rate(len(events), insert)


def _bare(store: Store, events: list[Positioned]) -> float:
    """Ready columns, as the driver takes them: what is left is the driver and the engine."""
    columns = USAGE_EVENTS.encode(events[:BATCH_ROWS])
    types = store._column_types(USAGE_EVENTS.name)
    rounds = len(events) // BATCH_ROWS

    def insert() -> None:
        for _ in range(rounds):
            context = InsertContext(
                USAGE_EVENTS.name,
                USAGE_EVENTS.columns,
                [types[name] for name in USAGE_EVENTS.columns],
                column_oriented=True,
                settings={"optimize_on_insert": "0"},
                block_size=BATCH_ROWS,
            )
            context.data = columns
            store._client.data_insert(context)

    return _rate(rounds * BATCH_ROWS, insert)


def _singles(store: Store, events: list[Positioned]) -> float:
    def insert() -> None:
        for event in events:
            store.insert(USAGE_EVENTS, [event])

    return _rate(len(events), insert)


def _rate(rows: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return rows / (time.perf_counter() - started)


def _check(store: Store, events: list[Positioned]) -> None:
    """Nothing was measured that did not happen: every event once, and its money."""
    count, nanos = store.query(
        "SELECT count(), toInt64(sum(cost_usd) * 1000000000) FROM v_usage_events"
    ).rows[0]
    if (count, nanos) != (len(events), sum(accepted.nanos for _, accepted in events)):
        raise AssertionError(f"{count} rows worth {nanos} nano-dollars are not what was written")


@contextmanager
def _server(path: Path) -> Iterator[StoreConfig]:
    command = [sys.executable, "-m", "tests.support.clickhouse_front", "--path", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            port = int(process.stdout.readline()) if process.stdout else 0
            yield StoreConfig(host="127.0.0.1", port=port, timeout_seconds=120)
        finally:
            process.terminate()


def _print(figures: dict[str, float]) -> None:
    embedded, served = figures["sink_rows_per_s"], figures["sink_http_rows_per_s"]
    bare, served_bare = figures["sink_bare_rows_per_s"], figures["sink_http_bare_rows_per_s"]
    columns = len(USAGE_EVENTS.columns)
    print(  # noqa: T201 - its purpose
        f"rows/s into the store, {ROWS:,} events of {columns} columns, {BATCH_ROWS:,} a batch\n"
        f"  embedded         {embedded:>10,.0f}  ({embedded / bare:.2f} of ready columns)\n"
        f"  over HTTP        {served:>10,.0f}  ({served / served_bare:.2f} of ready columns)\n"
        f"  an insert a row  {figures['sink_per_event_rows_per_s']:>10,.0f}"
    )


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(measure()).decode() + "\n")
