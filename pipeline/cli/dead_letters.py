"""`leakline dead-letters`: events that could not be folded, and the way back in."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import ConfigFile, StoreDir, load_config
from pipeline.cli.problems import FailureError, UsageError
from pipeline.printable import printable

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.dead_letters import Place, Row
    from pipeline.store import Store

app = typer.Typer()

PlaceText = Annotated[
    str, typer.Argument(metavar="PLACE", help="TOPIC/PARTITION/OFFSET/INDEX, as `list` shows it.")
]
SomePlace = Annotated[str | None, typer.Argument(metavar="PLACE", help="One of them.")]
Reason = Annotated[str | None, typer.Option(help="Only those of this reason.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


@app.callback()
def dead_letters() -> None:
    """Look at events that could not be folded, and put them back."""


@app.command("list")
def list_all(
    *,
    reason: Reason = None,
    limit: Limit = 50,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """List the latest, and count all by reason.

    Example: `leakline dead-letters list --reason wrong_type --store ./leakline-data`
    """
    from pipeline.dead_letters import counts, find, place_of
    from pipeline.store import Store

    with Store.open_existing(load_config(config, store).store) as opened:
        for row in find(opened, reason, limit=limit):
            typer.echo(printable(f"{place_of(row)}  {row['reason']}: {row['detail']}"))
        for name, count in counts(opened, reason):
            typer.echo(f"{name}: {count:,}", err=True)


@app.command("show")
def show(place: PlaceText, *, store: StoreDir = None, config: ConfigFile = None) -> None:
    """Show one with its known fields, from which secrets were removed when it was refused.

    Example: `leakline dead-letters show usage-events/3/1841/0`
    """
    from pipeline.dead_letters import is_left_in_the_log, payload_of
    from pipeline.store import Store

    asked = _asked(place, None)
    with Store.open_existing(load_config(config, store).store) as opened:
        (row,) = _chosen(opened, asked, None, 1)
    typer.echo(f"{place}  {row['received_at']:%Y-%m-%d %H:%M:%SZ}")
    typer.echo(printable(f"{row['reason']}: {row['detail']}"))
    nothing = "(left in the log)" if is_left_in_the_log(row) else "(no payload)"
    payload = payload_of(row).decode(errors="replace") or nothing
    typer.echo(printable(payload, keep="\n") if sys.stdout.isatty() else payload, color=True)


@app.command("retry")
def retry(
    place: SomePlace = None,
    *,
    reason: Reason = None,
    limit: Limit = 1000,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Put events back on the log, those that can be read by now.

    An event that was folded already is recognised by its id, if it comes again soon. So drop what
    was put back: the store keeps dead letters until somebody does. What was too large to be kept,
    or long and no JSON object, is read again from where it stood in the log, while that is there.
    Registry entries, bills and verdicts are not put back: whoever sent them sends them again,
    corrected.

    Examples:

    - `leakline dead-letters retry usage-events/3/1841/0`
    - `leakline dead-letters retry --reason misplaced_twice`
    """
    from pipeline.store import Store

    asked, settings = _asked(place, reason), load_config(config, store)
    with Store.open_existing(settings.store) as opened:
        rows = _chosen(opened, asked, reason, limit)
    put_back = asyncio.run(_put_back(settings, rows))
    typer.echo(f"put back {put_back} of {len(rows)}")
    if put_back < len(rows):
        raise typer.Exit(1)


@app.command("drop")
def drop(
    place: SomePlace = None,
    *,
    reason: Reason = None,
    limit: Limit = 1000,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete dead letters from the store, for good; the events are not folded.

    The user of the store needs ALTER DELETE on `dead_letters`. What the broker still holds of the
    topic `dead-letters` ends with that topic's retention.

    Examples:

    - `leakline dead-letters drop usage-events/3/1841/0`
    - `leakline dead-letters drop --reason not_json --limit 100000`
    """
    from pipeline import dead_letters as letters
    from pipeline.store import Store

    asked = _asked(place, reason)
    with Store.open_existing(load_config(config, store).store) as opened:
        dropped = letters.drop(opened, _chosen(opened, asked, reason, limit))
    typer.echo(f"dropped {dropped}")


def _asked(place: str | None, reason: str | None) -> "Place | None":
    """The place that is asked for; None asks for all of a reason. Before any store is opened."""
    from pipeline.dead_letters import Place

    if (place is None) == (reason is None):
        raise UsageError("either PLACE or --reason says which")
    return None if place is None else Place.parse(place)


def _chosen(store: "Store", place: "Place | None", reason: str | None, limit: int) -> "list[Row]":
    from pipeline.dead_letters import find, find_one

    if place is None:
        return find(store, reason, limit=limit)
    return [find_one(store, place)]


async def _put_back(config: "Config", rows: "list[Row]") -> int:
    """Send what can be read by now; the number of events."""
    from aiokafka.errors import KafkaError

    from pipeline.dead_letters import NotReadableError, place_of, to_event
    from pipeline.workers.connection import unreachable
    from pipeline.workers.producing import EventLog

    try:
        lines = await _lines(config, rows)
        events = []
        for row in rows:
            try:
                events.append(to_event(lines[place_of(row)]))
            except KeyError:
                typer.echo(f"{place_of(row)}  the log no longer has it", err=True)
            except NotReadableError as problem:
                typer.echo(f"{place_of(row)}  {problem}", err=True)
        if events:
            async with EventLog(config.kafka) as log:
                await log.send_packed(events)
    except (KafkaError, TimeoutError) as error:
        raise FailureError(unreachable(config.kafka, error)) from None
    return len(events)


async def _lines(config: "Config", rows: "list[Row]") -> "dict[Place, bytes]":
    """What was refused, by place: from the store, or from the log where it was too large."""
    from pipeline.dead_letters import is_left_in_the_log, payload_of, place_of
    from pipeline.workers.log_lines import lines_at

    found = {place_of(row): payload_of(row) for row in rows if not is_left_in_the_log(row)}
    large = [place_of(row) for row in rows if is_left_in_the_log(row)]
    return found | (await lines_at(config.kafka, large) if large else {})
