"""`leakline replay`: recorded files through the engine."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    INPUT,
    OUTPUT,
    CalibrationFile,
    ConfigFile,
    KeysFile,
    NewStoreDir,
    ProviderUsageFile,
    VerdictsFile,
    keep_apart,
    load_config,
    rules_for,
)
from pipeline.cli.progress import reading

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.engine import Rules
    from pipeline.replay.merge import Recording
    from pipeline.replay.outputs import StoreRows
    from pipeline.replay.run import Output, Summary


def replay(
    *,
    events: Annotated[
        Path, typer.Option(**INPUT, help="Usage events (JSONL; .gz and .zst too; - is stdin).")
    ],
    provider_usage: ProviderUsageFile = None,
    keys: KeysFile = None,
    verdicts: VerdictsFile = None,
    incidents: Annotated[
        Path | None, typer.Option(**OUTPUT, help="Write every revision here (.gz, .zst; - stdout).")
    ] = None,
    dead_letters: Annotated[
        Path | None, typer.Option(**OUTPUT, help="Write refused lines here, with reasons.")
    ] = None,
    notices: Annotated[
        Path | None, typer.Option(**OUTPUT, help="Write the messages that people get here.")
    ] = None,
    calibration: CalibrationFile = None,
    store: NewStoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Run recorded files through the same engine as the stream, in event time.

    The files become one log by time; each keeps its own order, so late events stay late. Each is
    given once: `cat a.jsonl b.jsonl | leakline replay --events -` replays two. A summary goes to
    stderr. Bad lines are counted by reason and never end a replay. The incidents
    are what each key's own log says; where many keys show the same at once, people get one message
    for all: `--notices` writes a line for each.

    Examples:

    - `leakline replay --events events.jsonl --incidents incidents.jsonl`
    - `zcat events.jsonl.gz | leakline replay --events - --incidents -`
    - `leakline replay --events events.jsonl --keys keys.jsonl --store ./leakline-data`
    """
    from pipeline.replay.merge import Recording

    written = (incidents, dead_letters, notices)
    keep_apart((events, provider_usage, keys, verdicts, calibration), written)
    settings = load_config(config, store)
    recording = Recording(events, provider_usage, keys, verdicts)
    rules = rules_for(settings, calibration)
    for line in _run(recording, rules, written, settings if store is not None else None):
        typer.echo(line, err=True)


def _run(
    recording: "Recording",
    rules: "Rules",
    files: Sequence[Path | None],
    into: "Config | None",
) -> list[str]:
    """Replay into files and the store of a configuration, if one is named; what is to be told."""
    from pipeline.replay.merge import merge
    from pipeline.replay.notices import Notices
    from pipeline.replay.outputs import JsonLines
    from pipeline.replay.run import replay as run
    from pipeline.replay.unmatched import Unmatched
    from pipeline.replay.writing import open_writing

    started = time.perf_counter()
    with ExitStack() as stack:
        written = [stack.enter_context(open_writing(path)) if path else None for path in files]
        told, unmatched = Notices(written[2]), Unmatched()
        kept = stack.enter_context(_stored(into)) if into else None
        outputs: list[Output] = [
            JsonLines(*written[:2]),
            told,
            unmatched,
            *([kept] if kept else []),
        ]
        read, note = stack.enter_context(reading(recording.events, "replaying"))
        messages = merge(recording, time.time(), progress=read)
        summary = run(messages, rules, outputs, lambda now: note(_note(now)))
        told.write()
        mixed = _mixed(kept, summary) if kept else ()
        seconds = time.perf_counter() - started
        return [*describe(summary, seconds), told.summary(), *unmatched.lines(), *mixed]


@contextmanager
def _stored(config: "Config") -> "Iterator[StoreRows]":
    from pipeline.replay.outputs import StoreRows
    from pipeline.store import Store

    with Store.open(config.store) as opened:
        opened.migrate()
        yield StoreRows(opened, config.store.batch_rows_max)


def _mixed(kept: "StoreRows", summary: "Summary") -> Iterator[str]:
    """Write what is left, and say when the store has events of other files as well.

    A replay knows nothing of them: its totals replace theirs, and its incidents join theirs.
    """
    kept.flush()
    others = kept.count_others(summary.counts["folded"] + summary.counts["late"])
    if others:
        yield (
            f"warning: the store holds {others:,} events of other files, which this replay knew "
            "nothing of: totals of windows that both have events in are of these files alone, and "
            "incidents of both are mixed; replay all of them as one log, into a new store"
        )


def _note(summary: "Summary") -> str:
    at = f"{_minute(summary.last_at)}, " if summary.last_at is not None else ""
    return f"{at}{summary.events:,} events, {len(summary.incidents)} incidents"


def describe(summary: "Summary", seconds: float) -> Iterator[str]:
    """A summary, in lines."""
    rate = summary.events / seconds if seconds else 0.0
    yield f"{summary.events:,} events of {len(summary.key_ids):,} keys{_span(summary)}"
    counts = summary.counts
    yield (
        f"late {counts['late']:,}, duplicates {counts['duplicate']:,}, "
        f"without a price {counts['unpriced']:,}, without a source {counts['no_source']:,}"
    )
    yield f"dead letters {summary.dead_letters.total():,}{_listed(summary.dead_letters)}"
    latest = Counter(f"{each.severity} {each.cause}" for each in summary.incidents.values())
    yield f"incidents {latest.total():,}{_listed(latest)}"
    yield f"{seconds:.1f} s, {rate:,.0f} events/s"


def _listed(counts: "Counter[str]") -> str:
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    return f" ({listed})" if listed else ""


def _span(summary: "Summary") -> str:
    if summary.first_at is None or summary.last_at is None:
        return ""
    return f", {_minute(summary.first_at)} to {_minute(summary.last_at)}"


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
