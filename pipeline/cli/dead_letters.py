"""`leakline dead-letters`: events that could not be folded, and the way back in."""

import asyncio
import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import ConfigFile, StoreDir, load_config
from pipeline.cli.problems import FailureError, UsageError

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.store import Store

app = typer.Typer()

Place = Annotated[
    str, typer.Argument(metavar="PLACE", help="TOPIC/PARTITION/OFFSET/INDEX, as `list` shows it.")
]
Reason = Annotated[str | None, typer.Option(help="Only those of this reason.")]
_FOUND = """
SELECT topic, `partition`, offset, `index`, reason, detail, received_at, payload
FROM v_dead_letters
WHERE ({reason:String} = '' OR reason = {reason:String})
  AND ({topic:String} = '' OR (topic = {topic:String} AND `partition` = {partition:UInt32}
       AND offset = {offset:UInt64} AND `index` = {index:UInt32}))
ORDER BY received_at DESC, topic, `partition`, offset DESC, `index`
LIMIT {limit:UInt32}
"""
_COUNTS = "SELECT reason, count() FROM v_dead_letters GROUP BY reason ORDER BY reason"


@app.callback()
def dead_letters() -> None:
    """Look at events that could not be folded, and put them back."""


@app.command("list")
def list_all(
    *,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """List the latest, and count all by reason.

    Example: `leakline dead-letters list --reason wrong_type --store ./leakline-data`
    """
    from pipeline.store import Store

    with Store.open(load_config(config, store).store) as opened:
        for row in _find(opened, reason=reason, limit=limit):
            typer.echo(f"{_place(row)}  {row['reason']}: {row['detail']}")
        for name, count in opened.query(_COUNTS).rows:
            typer.echo(f"{name}: {count:,}", err=True)


@app.command("show")
def show(place: Place, *, store: StoreDir = None, config: ConfigFile = None) -> None:
    """Show one with its payload, from which secrets were removed when it was refused.

    Example: `leakline dead-letters show usage-events/3/1841/0`
    """
    from pipeline.store import Store

    with Store.open(load_config(config, store).store) as opened:
        row = _one(opened, place)
    typer.echo(f"{_place(row)}  {row['received_at']:%Y-%m-%d %H:%M:%SZ}")
    typer.echo(f"{row['reason']}: {row['detail']}")
    typer.echo(base64.b64decode(row["payload"]).decode(errors="replace") or "(no payload)")


@app.command("retry")
def retry(
    place: Annotated[str | None, typer.Argument(metavar="[PLACE]", help="One of them.")] = None,
    *,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Put events back on the log, those that can be read by now.

    An event that was folded already is recognised by its id. What still cannot be read stays.

    Examples:

    - `leakline dead-letters retry usage-events/3/1841/0`
    - `leakline dead-letters retry --reason misplaced_twice`
    """
    from pipeline.store import Store

    if (place is None) == (reason is None):
        raise UsageError("either PLACE or --reason says what to retry")
    settings = load_config(config, store)
    with Store.open(settings.store) as opened:
        rows = [_one(opened, place)] if place else list(_find(opened, reason, limit=limit))
    events = [event for row in rows if (event := _readable(row)) is not None]
    if events:
        asyncio.run(_send(settings, events))
    typer.echo(f"put back {len(events)} of {len(rows)}")
    if len(events) < len(rows):
        raise typer.Exit(1)


def _readable(row: dict[str, Any]) -> tuple[str, bytes] | None:
    from schemas.codec import Refused, decode_event, encode
    from schemas.redaction import MARK

    raw = base64.b64decode(row["payload"])
    try:
        event = decode_event(raw)
    except Refused as refused:
        typer.echo(f"{_place(row)}  {refused}", err=True)
        return None
    if event.key_id == MARK:
        typer.echo(f"{_place(row)}  the key id was a secret and is gone", err=True)
        return None
    return event.key_id, encode(event)


async def _send(config: "Config", events: list[tuple[str, bytes]]) -> None:
    from aiokafka.errors import KafkaError

    from pipeline.workers.producing import EventLog

    try:
        async with EventLog(config.kafka) as log:
            await log.send_packed(events)
    except KafkaError as error:
        raise FailureError(f"kafka.brokers: {config.kafka.brokers}: {error}") from None


def _one(store: "Store", place: str) -> dict[str, Any]:
    topic, *numbers = place.rsplit("/", 3)
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        raise UsageError(f"{place}: a place is TOPIC/PARTITION/OFFSET/INDEX")
    found = list(_find(store, None, topic, *map(int, numbers), limit=1))
    if not found:
        raise FailureError(f"{place}: the store has no such dead letter")
    return found[0]


def _find(
    store: "Store",
    reason: str | None = None,
    topic: str = "",
    partition: int = 0,
    offset: int = 0,
    index: int = 0,
    *,
    limit: int,
) -> Iterator[dict[str, Any]]:
    parameters = {
        "reason": reason or "",
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "index": index,
        "limit": limit,
    }
    yield from store.query(_FOUND, parameters).dicts()


def _place(row: dict[str, Any]) -> str:
    return f"{row['topic']}/{row['partition']}/{row['offset']}/{row['index']}"
