"""`leakline policy test`: what a policy would have done."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import INPUT, keep_apart
from pipeline.printable import printable

app = typer.Typer()


@app.callback()
def policy() -> None:
    """Rehearse the policy file: what is done about which incident."""


@app.command("test")
def rehearsal(
    *,
    policy: Annotated[Path, typer.Option(**INPUT, help="The policy (TOML).")],
    incidents: Annotated[Path, typer.Option(**INPUT, help="What `leakline replay` wrote.")],
    keys: Annotated[Path | None, typer.Option(**INPUT, help="The key registry.")] = None,
) -> None:
    """Show what a policy would have done with recorded incidents. Nothing is sent.

    Each revision is decided as of the time at which it was detected, brakes included, until the
    policy revokes the key.

    Example: `leakline policy test --policy policy.toml --incidents incidents.jsonl`
    """
    from pipeline.replay.lines import read_records, read_registry
    from pipeline.response.check import try_policy
    from pipeline.response.policy import load_policy
    from schemas.incident import Incident

    keep_apart((policy, incidents, keys))
    rules = load_policy(policy)
    registry = {each.key_id: each for each in read_registry(keys)} if keys else {}
    decisions = try_policy(rules, read_records(incidents, Incident), registry)
    for incident, decision in decisions:
        dry = " (dry run)" if decision.dry_run else ""
        line = (
            f"{incident.detected:%Y-%m-%d %H:%M:%SZ} {incident.key_id} {incident.severity} "
            f"{incident.cause}: {decision.step}{dry}, {decision.reason}"
        )
        typer.echo(printable(line))
    typer.echo(f"{len(decisions)} decisions", err=True)
