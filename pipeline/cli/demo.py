"""`leakline demo`: everything on this machine with no other service."""

import asyncio
import contextlib
import logging
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import STDIO
from pipeline.cli.problems import UsageError

DEFAULT_FOLDER = Path("leakline-data/demo")


def demo(
    *,
    open_console: Annotated[
        bool,
        typer.Option(
            "--open-console", help="Keep serving the console's web page; without --streaming."
        ),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the console; 0 takes a free one.")
    ] = 0,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="The same with Faust workers on Kafka.")
    ] = False,
    brokers: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT,…", help="For --streaming; without it, one is started."),
    ] = None,
    store: Annotated[
        Path, typer.Option(file_okay=False, metavar="DIR", help="A new folder for the store.")
    ] = DEFAULT_FOLDER,
) -> None:
    """Show everything on this machine, with no other service.

    A simulated fleet with a theft in it, the incident, the page in Slack (a stand-in), the click on
    Revoke, the signed webhook to a gateway (a stand-in), the proof that the key is dead, and the
    rows in an embedded ClickHouse. Ends by itself within a minute.

    Examples:

    - `leakline demo`
    - `leakline demo --open-console --port 8787`
    - `leakline demo --streaming` (starts Apache Kafka: needs Java, and Maven the first time)
    - `leakline demo --streaming --brokers 127.0.0.1:9092`
    """
    from rich.console import Console

    if brokers and not streaming:
        raise UsageError("--brokers belongs to --streaming")
    if streaming and (open_console or port):
        raise UsageError("--open-console and --port: with --streaming no console stays open")
    if store == DEFAULT_FOLDER:
        shutil.rmtree(store, ignore_errors=True)
    elif store == STDIO or (store.exists() and any(store.iterdir())):
        raise UsageError(f"--store: {store} is not empty")
    logging.getLogger("pipeline").setLevel(logging.ERROR)
    console = Console(highlight=False)
    with contextlib.suppress(asyncio.CancelledError):
        if streaming:
            from pipeline.demo.streaming import run_streaming_demo

            asyncio.run(run_streaming_demo(console, store, brokers))
        else:
            from pipeline.demo.run import run_demo

            asyncio.run(run_demo(console, store, keep_serving=open_console, port=port))
    told = f"\nThe store is in {store}; `leakline query --list` shows what to ask it."
    console.print(told, soft_wrap=True)
