"""`leakline explain`: why a key paged, or why it did not."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.words import cents
from pipeline.cli.options import (
    INPUT,
    CalibrationFile,
    ConfigFile,
    KeysFile,
    ProviderUsageFile,
    StoreDir,
    VerdictsFile,
    keep_apart,
    load_config,
    rules_for,
)
from pipeline.cli.problems import FailureError
from pipeline.printable import printable
from schemas.redaction import public_key_id

if TYPE_CHECKING:
    from pipeline.explain import Explanation
    from pipeline.store import Store
    from schemas.incident import Incident


def explain(
    key_id: Annotated[
        str, typer.Argument(metavar="KEY_ID", help="The id of the key, or the key itself.")
    ],
    *,
    events: Annotated[
        Path | None, typer.Option(**INPUT, help="Recorded usage events to explain it from.")
    ] = None,
    provider_usage: ProviderUsageFile = None,
    keys: KeysFile = None,
    verdicts: VerdictsFile = None,
    calibration: CalibrationFile = None,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Say why a key paged, or why it did not.

    From recorded events, everything that each detector said is shown, and how close the key came
    to a page. From the store, its incidents and their reasons.

    Examples:

    - `leakline explain team-a-ci --events events.jsonl --keys keys.jsonl`
    - `leakline explain team-a-ci --store ./leakline-data`
    """
    keep_apart((events, provider_usage, keys, verdicts, calibration))
    settings, key_id = load_config(config, store), public_key_id(key_id)
    if events is None:
        from pipeline.store import Store

        with Store.open_existing(settings.store) as opened:
            lines = list(_from_store(opened, key_id))
    else:
        from pipeline.explain import explain as from_messages
        from pipeline.replay.merge import Recording, merge

        recording = Recording(events, provider_usage, keys, verdicts)
        found = from_messages(
            merge(recording, time.time()), rules_for(settings, calibration), key_id
        )
        lines = list(_from_replay(found))
    for line in lines:
        typer.echo(printable(line))


def _from_replay(found: "Explanation") -> Iterator[str]:
    if found.first_at is None and not found.heard:
        raise FailureError(f"{found.key_id}: the events hold nothing of this key")
    yield _seen(found.key_id, found.events, found.spend_usd, found.first_at, found.last_at)
    yield from _story(found.revisions)
    if not found.paged:
        yield _shortfall(found)
    if found.heard:
        yield "The strongest that each detector said:"
        for heard in sorted(found.heard.values(), key=lambda each: -each.score):
            yield f"  {heard.detector} {heard.score:.1f} nats at {_at(heard.at)}: {heard.summary}"
    if found.silent:
        yield f"Nothing to say at any time: {', '.join(found.silent)}"


def _shortfall(found: "Explanation") -> str:
    wanted = found.calibration.page_nats
    if found.closest is None or found.closest_at is None:
        return "It did not page: no detector ever found anything."
    return (
        f"It did not page: the most evidence at one time was {found.closest.nats:.1f} nats for "
        f"{found.closest.cause} at {_at(found.closest_at)}; a page takes {wanted:.1f}."
    )


def _story(revisions: "list[Incident]") -> Iterator[str]:
    shown: dict[str, tuple[str, str, str]] = {}
    for each in revisions:
        state = (each.status, each.severity, each.cause)
        if shown.get(each.incident_id) == state:
            continue
        shown[each.incident_id] = state
        yield (
            f"{_at(each.detected.timestamp())} {each.incident_id} revision {each.revision}: "
            f"{each.status} {each.severity}, {each.cause} (risk {each.risk:.2f}), "
            f"{cents(each.spend_usd)} spent where {cents(each.baseline_usd)} is usual"
        )
        yield from (f"  - {signal.summary} [{signal.detector}]" for signal in each.signals)


def _from_store(store: "Store", key_id: str) -> Iterator[str]:
    from pipeline.serve.reading import StoreReader

    seen = store.query(
        "SELECT count(), toFloat64(sum(cost_usd)), min(occurred_at), max(occurred_at)"
        " FROM v_usage_events WHERE key_id = {key_id:String}",
        {"key_id": key_id},
    ).rows[0]
    revisions = StoreReader(store).revisions(key_id)
    if not seen[0] and not revisions:
        raise FailureError(f"{key_id}: the store holds nothing of this key")
    span = [at.timestamp() for at in seen[2:]] if seen[0] else [None, None]
    yield _seen(key_id, seen[0], seen[1] or 0.0, *span)
    yield from _story(revisions)
    if not any(revision.severity == "page" for revision in revisions):
        yield "It did not page. `--events` shows what each detector said and how close it came."


def _seen(key_id: str, events: int, usd: float, first: float | None, last: float | None) -> str:
    """What was used; nothing is known by time of a provider's key that only bills name."""
    span = "" if first is None or last is None else f", {_at(first)} to {_at(last)}"
    return f"{key_id}: {events:,} events, {cents(usd)}{span}"


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
