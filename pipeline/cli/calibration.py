"""`leakline calibrate`: thresholds from history."""

import asyncio
import math
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    INPUT,
    OUTPUT,
    STDIO,
    ConfigFile,
    KeysFile,
    ProviderUsageFile,
    StoreDir,
    keep_apart,
    load_config,
    read_calibration,
)
from pipeline.cli.problems import FailureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config import Config
    from pipeline.replay.merge import Recording
    from pipeline.store import Store
    from schemas.calibration import Calibration

EVENTS_MAX = 5_000_000
"""Of the store: some ten minutes' work, and a few gigabytes of disk meanwhile."""


def calibrate(
    *,
    events: Annotated[
        Path | None, typer.Option(**INPUT, help="History: recorded usage events; else the store's.")
    ] = None,
    provider_usage: ProviderUsageFile = None,
    keys: KeysFile = None,
    verdicts: Annotated[
        Path | None, typer.Option(**INPUT, help="What people said; keys that leaked are left out.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(**INPUT, help="What was an attack; those keys are left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(**OUTPUT, help="Write the calibration here (JSON).")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Put it into every partition of the log.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option(**INPUT, help="Publish this one instead of computing one.")
    ] = None,
    events_max: Annotated[
        int, typer.Option(min=1, help="Of a larger store, a sample of whole keys is taken.")
    ] = EVENTS_MAX,
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Set the thresholds so that honest keys page no more often than the page budget allows.

    The budget is `detection.pages_per_1000_key_weeks`. Half of the honest keys of a history set
    the thresholds, the others show whether they hold. Each environment of the key registry has its
    own, as far as its history tells. The result is a file with a version: look at it, try it with
    `leakline replay --calibration FILE`, then publish it. Running workers judge by it from its
    place in the log on.

    Examples:

    - `leakline calibrate --events events.jsonl.gz --keys keys.jsonl --output calibration.json`
    - `leakline calibrate --calibration calibration.json --publish --config leakline.toml`
    """
    settings = load_config(config, store)
    if calibration is not None:
        if not publish or events is not None or output is not None:
            raise UsageError("--calibration FILE goes with --publish alone")
        found = read_calibration(calibration)
    else:
        keep_apart((events, provider_usage, keys, verdicts, labels), (output,))
        if output is not None and not output.parent.is_dir():  # said before the work, not after
            raise UsageError(f"{output}: cannot be written: there is no folder {output.parent}")
        given = (provider_usage, keys, verdicts)
        with _history(settings, events, given, events_max) as (recording, leaked):
            found, told = _computed(settings, recording, leaked | _dishonest(recording, labels))
        for line in told:
            typer.echo(line, err=output == STDIO)
        if output is not None:
            _write(output, found)
    if publish:
        from pipeline.workers.topics_admin import check_topics

        check_topics(settings)
        count = asyncio.run(_publish(settings, found))
        typer.echo(f"{found.version}: published to {count} partitions")


@contextmanager
def _history(
    config: "Config",
    events: Path | None,
    given: tuple[Path | None, Path | None, Path | None],
    events_max: int,
) -> "Iterator[tuple[Recording, set[str]]]":
    """The files of a history, and keys that the store knows to have leaked."""
    from pipeline.replay.merge import Recording

    if events is not None:
        yield Recording(events, *given), set()
        return
    from pipeline.store import Store
    from pipeline.store.history import history_lines, leaked_keys

    with tempfile.TemporaryDirectory(prefix="leakline-history-") as folder:
        path = Path(folder) / "events.jsonl"
        with Store.open_existing(config.store) as opened, path.open("wb") as file:
            one_in = _one_in(opened, events_max, given[0])
            file.writelines(history_lines(opened, one_in))
            leaked = leaked_keys(opened)
        yield Recording(path, *given), leaked


def _one_in(store: "Store", events_max: int, provider_usage: Path | None) -> int:
    """Of how many keys one is taken, so that the events of a history are about so many."""
    from pipeline.store.history import stored_count

    count = stored_count(store)
    one_in = max(1, math.ceil(count / events_max))
    if one_in > 1 and provider_usage is not None:  # the other keys' would be found off the gateway
        raise UsageError(
            f"--provider-usage: the store has {count:,} events, too many to take all keys of it,"
            " and bills are of all: leave them out, or raise --events-max"
        )
    if one_in > 1:
        typer.echo(
            f"leakline: the store has {count:,} events: one key in {one_in:,} is taken"
            " (--events-max)",
            err=True,
        )
    return one_in


def _dishonest(recording: "Recording", labels: Path | None) -> set[str]:
    """Keys that labels, verdicts or the registry know to be in wrong hands."""
    from pipeline.replay.lines import read_records, read_registry
    from schemas.label import Label
    from schemas.verdict import Verdict

    found: set[str] = set()
    if labels is not None:
        found |= {each.key_id for each in read_records(labels, Label) if each.malicious}
    if recording.verdicts is not None:
        said = read_records(recording.verdicts, Verdict)
        found |= {each.key_id for each in said if each.verdict == "leak"}
    if recording.keys is not None:
        found |= {each.key_id for each in read_registry(recording.keys) if each.canary}
    return found


def _computed(
    config: "Config", recording: "Recording", dishonest: set[str]
) -> "tuple[Calibration, list[str]]":
    """What a history comes to, and how it is told to people."""
    from pipeline.calibrate import calibrate
    from pipeline.calibrate.render import render
    from pipeline.default_rules import default_rules
    from pipeline.replay.merge import merge

    if not recording.events.is_file():
        raise UsageError("--events: a history is read twice; a pipe can be read once")
    now, rules = time.time(), default_rules(config)
    budget = config.detection.pages_per_1000_key_weeks
    found = calibrate(lambda: merge(recording, now), rules, budget, dishonest)
    return found.calibration, list(render(found, rules.calibration))


def _write(path: Path, calibration: "Calibration") -> None:
    import msgspec

    written = msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n"
    if path == STDIO:
        typer.echo(written, nl=False)
        return
    try:
        path.write_bytes(written)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


async def _publish(config: "Config", calibration: "Calibration") -> int:
    from aiokafka.errors import KafkaError

    from pipeline.workers.connection import unreachable
    from pipeline.workers.producing import EventLog

    try:
        async with EventLog(config.kafka) as log:
            return await log.send_to_all(calibration)
    except KafkaError as error:
        raise FailureError(unreachable(config.kafka, error)) from None
