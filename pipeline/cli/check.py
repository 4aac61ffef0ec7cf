"""`leakline check-config`: what is wrong, in one line each."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import ConfigFile, load_config, tell_exposed
from pipeline.cli.problems import EXIT_FAILURE

if TYPE_CHECKING:
    from pipeline.config import Config


def check_config(
    *,
    config: ConfigFile = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the files only, not what they connect to.")
    ] = False,
) -> None:
    """Check the configuration, the files that it names and everything that it connects to.

    One line for each thing that is wrong; exit code 0 when nothing is.

    Examples:

    - `leakline check-config --config leakline.toml`
    - `leakline check-config --config leakline.toml --offline`
    """
    settings = load_config(config)
    tell_exposed(settings)
    problems = list(_files(settings))
    if not offline:
        problems += _connections(settings)
    for problem in dict.fromkeys(problems):
        typer.echo(problem)
    if problems:
        raise typer.Exit(EXIT_FAILURE)
    typer.echo("the configuration is valid" + ("" if offline else ", and everything answers"))


def _files(config: "Config") -> Iterator[str]:
    from pipeline.response.check import check_gateways

    named = {
        "keys": config.keys,
        "sources.country_mmdb": config.sources.country_mmdb,
        "sources.asn_mmdb": config.sources.asn_mmdb,
        "store.ssl_cafile": config.store.ssl_cafile,
        "kafka.ssl_cafile": config.kafka.ssl_cafile,
        "kafka.ssl_certfile": config.kafka.ssl_certfile,
        "kafka.ssl_keyfile": config.kafka.ssl_keyfile,
    }
    for setting, path in named.items():
        if path is not None and not path.is_file():
            yield f"{setting}: {path} is no file"
    yield from check_gateways(config)


def _connections(config: "Config") -> Iterator[str]:
    from pipeline.config import ConfigError
    from pipeline.notify.check import check_slack
    from pipeline.store import check_store
    from pipeline.workers.rights import EVERYBODY
    from pipeline.workers.topics_admin import BrokerError, check_topics

    try:
        for line in check_topics(config, EVERYBODY):
            typer.echo(f"warning: {line}", err=True)
    except (BrokerError, ConfigError) as error:
        yield str(error)
    wrong = check_store(config.store)
    if wrong:
        yield wrong
    yield from asyncio.run(check_slack(config))
