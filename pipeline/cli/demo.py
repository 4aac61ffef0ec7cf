"""`leakline demo`."""

import typer


def demo() -> None:
    """Show everything on this machine, with no other service."""
    typer.echo("")
