"""`leakline init`: topics and tables."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, load_config


def init(
    *,
    config: ConfigFile = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="DIR",
            file_okay=False,
            help="The embedded store in this directory, which is made if need be; without it, the "
            "configured store.",
        ),
    ] = None,
    topics: Annotated[bool, typer.Option(help="Create what is missing at the broker.")] = True,
    tables: Annotated[bool, typer.Option(help="Create or migrate the store's tables.")] = True,
) -> None:
    """Create topics and tables, or bring them up to this version. Safe to run again.

    The number of partitions of `usage-events` is fixed here (`kafka.partitions`).

    Examples:

    - `leakline init --config leakline.toml`
    - `leakline init --no-topics --store ./leakline-data` (an embedded store alone)
    """
    settings = load_config(config, store)
    if topics:
        from pipeline.workers.topics_admin import check_topics, create_topics

        created = create_topics(settings)
        for line in check_topics(settings):
            typer.echo(f"warning: {line}", err=True)
        typer.echo(f"topics: created {', '.join(created)}" if created else "topics: all there")
    if tables:
        from pipeline.store import Store

        with Store.open(settings.store) as opened:
            applied = opened.migrate()
        typer.echo(f"tables: applied {', '.join(applied)}" if applied else "tables: up to date")
