"""`leakline explain`: why a key paged, or why it did not."""

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from detectors.baselines.totals import Totals
from detectors.words import cents, paid, spent
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
from pipeline.cli.problems import FailureError, UsageError, tell_left_out
from pipeline.cli.progress import reading
from pipeline.printable import printable
from schemas.fields import epoch, to_nanos
from schemas.redaction import other_form, public_key_id, scrub_text

if TYPE_CHECKING:
    from pipeline.engine import Rules
    from pipeline.engine.witness import Look
    from pipeline.explain import Explanation
    from pipeline.replay.merge import Recording
    from pipeline.serve.reading import StoreReader
    from pipeline.store import Store
    from schemas.incident import Incident
    from schemas.verdict import Verdict

T = TypeVar("T")
_EVENTS_MAX = 200_000
"""Of a key in the store: half a minute's work."""


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

    What its incidents said is shown, what people said about them, what each detector had to say
    at most, how close the key came to a page, and what kept people from being told. With recorded
    events all of this comes from a replay of them. Without, the incidents are those in the store,
    and the rest comes from a replay of the key's events there: the newest 200,000 or so.

    Examples:

    - `leakline explain team-a-ci --events events.jsonl --keys keys.jsonl`
    - `leakline explain team-a-ci --store ./leakline-data --keys keys.jsonl`
    """
    if events is not None and store is not None:
        raise UsageError("--events and --store: a key is explained from one of them")
    if not key_id.strip():
        raise UsageError("KEY_ID: name the key that is to be explained; this is an empty text")
    keep_apart((events, provider_usage, keys, verdicts, calibration))
    settings, key_ids = load_config(config, store), _ids_of(key_id)
    rules = rules_for(settings, calibration)
    if events is not None:
        from pipeline.replay.merge import Recording

        found = _replayed(Recording(events, provider_usage, keys, verdicts), rules, key_ids)
        _print(_from_replay(_first(found, lambda each: each.first_at, lambda each: each.heard)))
        return
    from pipeline.store import Store

    with Store.open_existing(settings.store) as opened:
        _print(_from_store(opened, rules, key_ids, (provider_usage, keys, verdicts)))


def _ids_of(key_id: str) -> list[str]:
    """Under which ids events of a key may come, by what somebody calls it."""
    public = public_key_id(key_id)
    return [each for each in (public, other_form(public)) if each is not None]


def _first(found: Sequence[T], *wanted: Callable[[T], object]) -> T:
    """The first that is as wanted, by the first wish that any fulfils; else the first."""
    fulfilling = (each for wish in wanted for each in found if wish(each))
    return next(fulfilling, found[0])


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(printable(line))


def _replayed(
    recording: "Recording", rules: "Rules", key_ids: Sequence[str]
) -> "list[Explanation]":
    from pipeline.explain import explain_each
    from pipeline.replay.merge import merge

    with reading(recording.events, "replaying") as (read, _):
        found = explain_each(merge(recording, time.time(), progress=read), rules, key_ids)
    tell_left_out(found[0].refused)
    return found


def _from_replay(found: "Explanation") -> Iterator[str]:
    if found.first_at is None and not found.heard:
        raise FailureError(f"{found.key_id}: the events hold nothing of this key")
    yield _seen(found.key_id, found.used, found.first_at, found.last_at)
    yield from _story(found.revisions, found.said)
    if not found.paged:
        yield _shortfall(found)
    yield from _heard(found)


def _heard(found: "Explanation") -> Iterator[str]:
    if found.kept_quiet is not None:
        yield _kept_quiet(found.kept_quiet)
    if found.heard:
        yield "The strongest that each detector said:"
        for heard in sorted(found.heard.values(), key=lambda each: -each.score):
            yield f"  {heard.detector} {heard.score:.1f} nats at {_at(heard.at)}: {heard.summary}"
    if found.silent:
        yield f"Nothing to say at any time: {', '.join(found.silent)}"


def _shortfall(found: "Explanation") -> str:
    look = found.closest
    if look is None:
        return "It did not page: no detector ever found anything."
    takes = f"a page takes {look.page_takes:.2f}"
    if math.isinf(look.page_takes):
        takes = "use of the owner's own that costs cents does not page"
    return (
        f"It did not page: the most evidence at one time was {look.conclusion.nats:.2f} nats for "
        f"{look.conclusion.cause} at {_at(look.at)}; {takes}."
    )


def _kept_quiet(look: "Look") -> str:
    from pipeline.engine.calm import known_until

    calm, nats = look.forgiven_by, look.conclusion.nats
    if calm is None:
        why = f"its last page got no answer, so that one took {look.page_takes + look.lively:.1f}"
    elif calm.snoozed:
        why = f"its incident was snoozed until {_at(calm.until)}"
    elif calm.cause is None:
        why = f"a person had found nothing wrong, which holds until {_at(calm.until)}"
    elif look.at >= calm.until:
        why = "people were told of these strangers, who do no more than before"
    else:
        why = f"nobody had answered the incident before it; its like waits until {_at(calm.until)}"
        if known := known_until(calm):
            why += f", and its strangers until {_at(known)}"
    return (
        f"Kept quiet: {nats:.1f} nats for {look.conclusion.cause} at {_at(look.at)} would have "
        f"paged, but {why}."
    )


def _story(revisions: "list[Incident]", said: "list[Verdict]") -> Iterator[str]:
    """What was told of incidents, and what people said about them, by time."""
    shown: dict[str, tuple[str, str, str]] = {}
    words = [(epoch(each.at), each) for each in said]
    for each in revisions:
        at = each.detected.timestamp()
        # What ended an incident comes before its end.
        yield from _words(word for spoken, word in words if spoken <= at)
        words = [(spoken, word) for spoken, word in words if spoken > at]
        state = (each.status, each.severity, each.cause)
        if shown.get(each.incident_id) == state:
            continue
        shown[each.incident_id] = state
        yield (
            f"{_at(at)} {each.incident_id} revision {each.revision}: "
            f"{each.status} {each.severity}, {each.cause} (risk {each.risk:.2f}), "
            f"{spent(each.spend_usd, each.unseen_usd)} spent "
            f"where {cents(each.baseline_usd)} is usual"
        )
        yield from (f"  - {signal.summary} [{signal.detector}]" for signal in each.signals)
    yield from _words(word for _, word in words)


def _words(said: "Iterable[Verdict]") -> Iterator[str]:
    for each in said:
        until = f" until {_at(epoch(each.until))}" if each.until is not None else ""
        note = f": {scrub_text(each.note)}" if each.note else ""
        yield (
            f"{_at(epoch(each.at))} {each.incident_id}: {each.by} said {each.verdict}{until}{note}"
        )


def _from_store(
    store: "Store",
    rules: "Rules",
    key_ids: Sequence[str],
    files: tuple[Path | None, Path | None, Path | None],
) -> Iterator[str]:
    from pipeline.serve.reading import StoreReader

    reader = StoreReader(store)
    looked = [(each, _used(store, each), reader.revisions(each)) for each in key_ids]
    key_id, seen, revisions = _first(looked, lambda each: each[1][0], lambda each: each[2])
    if not seen[0] and not revisions:
        raise FailureError(f"{key_id}: the store holds nothing of this key")
    span = [at.timestamp() for at in seen[3:]] if seen[0] else [None, None]
    used = Totals(seen[0], nanos=to_nanos(seen[1] or 0.0), unpriced=seen[2])
    yield _seen(key_id, used, *span)
    yield from _story(revisions, reader.said(key_id))
    if not seen[0]:
        return
    with _recorded(store, reader, key_id, files) as recording:
        (found,) = _replayed(recording, rules, [key_id])
    paged = any(each.severity == "page" for each in revisions)
    yield from _judged_again(found, seen[0], paged=paged, registry=files[1] is not None)


def _used(store: "Store", key_id: str) -> tuple[Any, ...]:
    return store.query(
        "SELECT count(), toFloat64(sum(cost_usd)), countIf(NOT priced), min(occurred_at),"
        " max(occurred_at)"
        " FROM v_usage_events WHERE key_id = {key_id:String}",
        {"key_id": key_id},
    ).rows[0]


def _judged_again(
    found: "Explanation", stored: int, *, paged: bool, registry: bool
) -> Iterator[str]:
    """What the store's incidents leave open."""
    judged = found.used.requests
    newest = f"its newest {judged:,} events" if judged < stored else "its events"
    without = "" if registry else ", without the key registry (--keys)"
    if without or judged < stored:
        yield f"Judged again from {newest} in the store{without}:"
    if not paged and found.paged:
        yield "It did not page, and would have by what is known here:"
        yield from _story(found.revisions, found.said)
    elif not paged:
        yield _shortfall(found)
    yield from _heard(found)


@contextmanager
def _recorded(
    store: "Store",
    reader: "StoreReader",
    key_id: str,
    files: tuple[Path | None, Path | None, Path | None],
) -> "Iterator[Recording]":
    """What the store has of a key as files, but for those that are named."""
    from pipeline.replay.merge import Recording
    from pipeline.store.history import event_lines
    from schemas.codec import encode

    bills, keys, verdicts = files
    with tempfile.TemporaryDirectory(prefix="leakline-history-") as name:
        folder = Path(name)
        if bills is None:
            bills = folder / "bills.jsonl"
            bills.write_bytes(b"".join(encode(each) + b"\n" for each in reader.bills(key_id)))
        if verdicts is None:
            verdicts = folder / "verdicts.jsonl"
            verdicts.write_bytes(b"".join(encode(each) + b"\n" for each in reader.said(key_id)))
        events = folder / "events.jsonl"
        with events.open("wb") as file:
            file.writelines(event_lines(store, key_id, _EVENTS_MAX))
        yield Recording(events, bills, keys, verdicts)


def _seen(key_id: str, used: Totals, first: float | None, last: float | None) -> str:
    """What was used; nothing is known by time of a provider's key that only bills name."""
    span = "" if first is None or last is None else f", {_at(first)} to {_at(last)}"
    return f"{key_id}: {used.requests:,} events, {paid(used)}{span}"


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
