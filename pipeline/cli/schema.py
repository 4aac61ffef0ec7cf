"""`leakline schema export` and `leakline version`."""

import json
from importlib import metadata

import typer

app = typer.Typer()


@app.command("export")
def export() -> None:
    """Print the JSON Schema of every record, for producers in other languages.

    Example: `leakline schema export > leakline.schema.json`
    """
    from schemas.json_schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.callback()
def schema() -> None:
    """The shapes of the records."""


def version() -> None:
    """Print the version, and whether the core is compiled ahead of time or pure Python."""
    from pipeline.form import form

    typer.echo(f"leakline {metadata.version('leakline')} ({form()})")
