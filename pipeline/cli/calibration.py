"""`leakline calibrate`: thresholds from history."""

import asyncio
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
    from schemas.calibration import Calibration


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
        with _history(settings, events, provider_usage, keys, verdicts) as (recording, leaked):
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
    provider_usage: Path | None,
    keys: Path | None,
    verdicts: Path | None,
) -> "Iterator[tuple[Recording, set[str]]]":
    """The files of a history, and keys that the store knows to have leaked."""
    from pipeline.replay.merge import Recording

    if events is not None:
        yield Recording(events, provider_usage, keys, verdicts), set()
        return
    from pipeline.store import Store
    from pipeline.store.history import event_lines, leaked_keys

    with tempfile.TemporaryDirectory(prefix="leakline-history-") as folder:
        path = Path(folder) / "events.jsonl"
        with Store.open_existing(config.store) as opened, path.open("wb") as file:
            file.writelines(event_lines(opened))
            leaked = leaked_keys(opened)
        yield Recording(path, provider_usage, keys, verdicts), leaked


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
