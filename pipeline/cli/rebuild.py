"""`leakline rebuild`: fold the log again."""

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, load_config
from pipeline.cli.problems import FailureError, UsageError


def rebuild(
    *,
    since: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="RFC 3339, or a date; UTC unless it says."),
    ],
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Take from the store what the log no longer has.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Fold again what the log took since the midnight (UTC) before TIME, from fresh states.

    For a change of the rules, or states that went wrong. Stop the detect workers first, and start
    them afterwards: they read the log again from there. Totals of that time win over the earlier
    ones; entries of the key registry and the calibration stay; incidents that come out as before
    have the same ids and are not told twice.

    Kafka's retention may be shorter than the way back: `--from-store` folds the events before it
    from ClickHouse. Verdicts and bills of that time are not heard again.

    Examples:

    - `leakline rebuild --from 2026-09-21 --config leakline.toml`
    - `leakline rebuild --from 2026-06-01 --from-store --config leakline.toml`
    """
    at = _time(since)
    settings = load_config(config)
    from aiokafka.errors import KafkaError

    from pipeline.store import Store
    from pipeline.workers.connection import unreachable
    from pipeline.workers.rebuild import rebuild as run
    from pipeline.workers.topics_admin import check_topics

    check_topics(settings)
    try:
        with Store.open_existing(settings.store) if from_store else nullcontext() as store:
            rebuilt = asyncio.run(run(settings, at, store))
    except KafkaError as error:
        raise FailureError(unreachable(settings.kafka, error)) from None
    begin = datetime.fromtimestamp(rebuilt.since, UTC)
    if from_store:
        typer.echo(f"{rebuilt.events:,} events were folded from the store")
    typer.echo(
        f"epoch {rebuilt.epoch}: {rebuilt.messages:,} messages since {begin:%Y-%m-%dT%H:%MZ} will "
        f"be folded again, in place of {rebuilt.keys:,} states; start the detect workers now"
    )


def _time(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--from: {text}: a time is written 2026-09-21 or 2026-09-21T08:00Z"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
