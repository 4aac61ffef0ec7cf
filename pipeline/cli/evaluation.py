"""`leakline simulate` and `leakline evaluate`: a labelled fleet, and how well it is judged."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import INPUT, OUTPUT, keep_apart
from pipeline.cli.problems import UsageError, tell_left_out
from pipeline.cli.progress import reading, working

if TYPE_CHECKING:
    from pipeline.simulate import FleetSettings


def simulate(
    *,
    events: Annotated[Path, typer.Option(**OUTPUT, help="Usage events (.gz and .zst compress).")],
    provider_usage: Annotated[
        Path | None, typer.Option(**OUTPUT, help="What providers bill.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(**OUTPUT, help="The key registry.")] = None,
    labels: Annotated[Path | None, typer.Option(**OUTPUT, help="What is an attack.")] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Where the other settings start from: small, default, attacks, honest, held-out, "
            "large."
        ),
    ] = "default",
    key_count: Annotated[int | None, typer.Option("--key-count", min=1, help="Keys.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same fleet.")] = None,
    start: Annotated[datetime | None, typer.Option(help="The first day (UTC).")] = None,
    attack_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the keys that are attacked.")
    ] = None,
) -> None:
    """Write a simulated fleet: honest keys, benign changes that must not page, attacks.

    Examples:

    - `leakline simulate --events events.jsonl.gz --labels labels.jsonl`
    - `leakline simulate --preset small --seed 7 --events - | head`
    """
    from pipeline.simulate import simulate_to_files

    keep_apart((), (events, provider_usage, keys, labels))
    chosen = {
        "keys": key_count,
        "days": days,
        "seed": seed,
        "start": start.replace(tzinfo=UTC) if start else None,
        "attack_rate": attack_rate,
    }
    settings = _settings(preset, chosen)
    with working("simulating") as progress:
        written = simulate_to_files(
            settings,
            events,
            provider_usage=provider_usage,
            keys=keys,
            labels=labels,
            progress=lambda share, count: progress(share, f"{count:,} events"),
        )
    typer.echo(
        f"{written.events:,} events of {written.keys:,} keys, "
        f"{written.attacks} attacks, {written.changes} benign changes",
        err=True,
    )


def _settings(preset: str, chosen: Mapping[str, Any]) -> "FleetSettings":
    """A preset with what was chosen instead; None leaves it as it is."""
    from pipeline.simulate import PRESETS

    if preset not in PRESETS:
        raise UsageError(f"--preset: {preset}: the presets are {', '.join(PRESETS)}")
    given = {name: value for name, value in chosen.items() if value is not None}
    try:
        return replace(PRESETS[preset], **given)
    except ValueError as mistake:
        raise UsageError(f"--start, --days: {mistake}") from None


def evaluate(
    *,
    incidents: Annotated[Path, typer.Option(**INPUT, help="What `leakline replay` wrote.")],
    labels: Annotated[Path, typer.Option(**INPUT, help="What was an attack, and what was not.")],
    events: Annotated[Path, typer.Option(**INPUT, help="What was replayed.")],
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Judge incidents by labels.

    Recall, precision, time to detect, dollars lost before the page, and false pages per 1,000
    key-weeks. An attack counts as detected by the first page on its key from its start to an hour
    after its end.

    Example: `leakline evaluate --incidents incidents.jsonl --labels labels.jsonl
    --events events.jsonl`
    """
    from pipeline.evaluate import evaluate_files, render
    from schemas.codec import encode

    keep_apart((incidents, labels, events))
    refused: Counter[str] = Counter()
    with reading(events, "evaluating") as (read, _):
        report = evaluate_files(incidents, labels, events, progress=read, refused=refused)
    tell_left_out({(events.name, reason): count for reason, count in refused.items()})
    if not report.events:
        typer.echo(f"leakline: {events}: holds no usage events; was this replayed?", err=True)
    typer.echo(encode(report).decode() if json else render(report))
