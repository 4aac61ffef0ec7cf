"""`leakline run`: the streaming workers."""

from typing import Annotated

import typer

from pipeline.cli.check import refuse_unusable
from pipeline.cli.options import ConfigFile, load_config, tell_exposed
from pipeline.cli.problems import UsageError
from pipeline.roles import ROLES, configured_roles
from pipeline.stopping import ending_at_once


def run(
    *,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE,…",
            help=f"Which of {', '.join(ROLES)} to play; all unless given, poll if it has a key.",
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Run workers on Kafka until stopped; SIGTERM ends them in order.

    One process for each role and core is usual; several `detect` and `sink` workers share the
    partitions, of the other roles one worker is active and the others stand by.

    Examples:

    - `leakline run --config leakline.toml`
    - `leakline run --role detect --config leakline.toml`
    """
    named = None if role is None else _named(role)
    with ending_at_once():
        settings = load_config(config)
        roles = named or configured_roles(settings)
        tell_exposed(settings)
        refuse_unusable(settings, roles)
        from pipeline.workers import run_roles

        raise typer.Exit(run_roles(settings, roles))


def _named(role: str) -> tuple[str, ...]:
    roles = tuple(dict.fromkeys(part.strip() for part in role.split(",") if part.strip()))
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        named = ", ".join(unknown) or "none"
        raise UsageError(f"--role: {named}: the roles are {', '.join(ROLES)}")
    return roles
