"""All commands in one list. Their modules import what is heavy when they run."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from pipeline.cli import (
    calibration,
    check,
    dead_letters,
    demo,
    evaluation,
    explain,
    init,
    policy,
    query,
    rebuild,
    replay,
    run,
    schema,
    serve,
)
from pipeline.cli.once import each_option_once
from pipeline.cli.problems import EXIT_USAGE, run_guarded
from pipeline.cli.streams import hold_closed

app = typer.Typer(
    name="leakline",
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def leakline(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Watches how AI API keys are used, pages when one leaks, and revokes it.

    Start with `leakline demo`; then `leakline replay` on your own log. An option that takes one
    value is given once.
    """
    if version:
        schema.version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(EXIT_USAGE)


_TRY = "Try it"
_OPERATE = "Operate it"
_LOOK = "Look into it"
_MEASURE = "Measure it"

app.command("demo", rich_help_panel=_TRY)(demo.demo)
app.command("replay", rich_help_panel=_TRY)(replay.replay)
app.command("init", rich_help_panel=_OPERATE)(init.init)
app.command("check-config", rich_help_panel=_OPERATE)(check.check_config)
app.command("run", rich_help_panel=_OPERATE)(run.run)
app.command("serve", rich_help_panel=_OPERATE)(serve.serve)
app.command("rebuild", rich_help_panel=_OPERATE)(rebuild.rebuild)
app.add_typer(policy.app, name="policy", rich_help_panel=_OPERATE)
app.command("query", rich_help_panel=_LOOK)(query.query)
app.command("explain", rich_help_panel=_LOOK)(explain.explain)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=_LOOK)
app.command("simulate", rich_help_panel=_MEASURE)(evaluation.simulate)
app.command("evaluate", rich_help_panel=_MEASURE)(evaluation.evaluate)
app.command("calibrate", rich_help_panel=_MEASURE)(calibration.calibrate)
app.add_typer(schema.app, name="schema", rich_help_panel=_LOOK)
app.command("version", rich_help_panel=_LOOK)(schema.version)
each_option_once(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, 1 (it did not work) or 2 (it was asked wrongly)."""
    os.umask(0o077)  # stores and files hold addresses and end users: nobody else's to read
    hold_closed()
    sys.exit(run_guarded(lambda: app(arguments, prog_name="leakline", standalone_mode=False)))
