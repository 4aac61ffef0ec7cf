"""`leakline check-config`: what is wrong, in one line each."""

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import ConfigFile, load_config, tell_exposed
from pipeline.cli.problems import EXIT_FAILURE, UsageError
from pipeline.roles import ROLES, configured_roles

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Config

_POLICY = "response.policy:"
_RESPONDERS = frozenset({"notify", "enforce"})
"""Roles that deal with gateways."""


def check_config(
    *,
    config: ConfigFile = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the files only, not what they connect to.")
    ] = False,
) -> None:
    """Check the configuration, the files that it names and everything that it connects to.

    One line for each thing that is wrong; exit code 0 when nothing is. What is taken and hardly
    meant is a warning on stderr.

    Examples:

    - `leakline check-config --config leakline.toml`
    - `leakline check-config --config leakline.toml --offline`
    """
    settings = load_config(config)
    tell_exposed(settings)
    problems = list(_files(settings, configured_roles(settings)))
    for doubt in _doubts(settings):
        typer.echo(f"warning: {doubt}", err=True)
    if not offline:
        problems += _connections(settings)
    for problem in dict.fromkeys(problems):
        typer.echo(problem)
    if problems:
        raise typer.Exit(EXIT_FAILURE)
    typer.echo("the configuration is valid" + ("" if offline else ", and everything answers"))


def refuse_unusable(config: "Config", roles: Collection[str]) -> None:
    """Refuse a configuration before roles begin that could not go on with it.

    A policy that cannot be used only leaves everything to people, so it is said and no more.

    Raises:
        UsageError: naming everything that is wrong, one a line.
    """
    problems = list(_files(config, roles))
    for line in problems:
        if line.startswith(_POLICY):
            typer.echo(f"leakline: {line}", err=True)
    fatal = [line for line in problems if not line.startswith(_POLICY)]
    if fatal:
        raise UsageError("\n".join(fatal))


def _files(config: "Config", roles: Collection[str]) -> Iterator[str]:
    from pipeline.response.check import check_gateways

    for setting, (path, readers) in _named_files(config).items():
        if path is not None and not path.is_file() and not readers.isdisjoint(roles):
            yield f"{setting}: {path} is no file"
    if "reconcile" in roles:
        yield from _registry(config)
    if not _RESPONDERS.isdisjoint(roles):
        yield from check_gateways(config)
    if not set(roles) <= set(configured_roles(config)):
        yield "poll: has nobody to ask: set poll.openai_admin_key or poll.anthropic_admin_key"


def _named_files(config: "Config") -> dict[str, tuple["Path | None", frozenset[str]]]:
    """By setting, the file that it names, and the roles that read it."""
    everybody, judges = frozenset(ROLES), frozenset({"detect", "sink"})
    return {
        "keys": (config.keys, frozenset({"reconcile"})),
        "sources.country_mmdb": (config.sources.country_mmdb, judges),
        "sources.asn_mmdb": (config.sources.asn_mmdb, judges),
        "store.ssl_cafile": (config.store.ssl_cafile, frozenset({"sink"})),
        "kafka.ssl_cafile": (config.kafka.ssl_cafile, everybody),
        "kafka.ssl_certfile": (config.kafka.ssl_certfile, everybody),
        "kafka.ssl_keyfile": (config.kafka.ssl_keyfile, everybody),
    }


def _registry(config: "Config") -> Iterator[str]:
    from pipeline.reconcile.check import check_registry

    yield from (f"keys: {mistake}" for mistake in check_registry(config).mistakes)


def _doubts(config: "Config") -> Iterator[str]:
    """What can be used, and is hardly meant."""
    from pipeline.reconcile.check import check_registry
    from pipeline.serve.guard import is_loopback

    yield from (f"keys: {doubt}" for doubt in check_registry(config).doubts)
    if config.serve.console_token is None and not is_loopback(config.serve.host):
        yield (
            f"serve.console_token: the console answers nobody without one where serve.host is "
            f"{config.serve.host}"
        )


def _connections(config: "Config") -> Iterator[str]:
    from pipeline.config import ConfigError
    from pipeline.notify.check import check_slack
    from pipeline.poll.asking import check_providers
    from pipeline.store import check_store
    from pipeline.workers.rights import SERVER
    from pipeline.workers.topics_admin import BrokerError, check_topics

    try:
        for line in check_topics(config, (*configured_roles(config), *SERVER)):
            typer.echo(f"warning: {line}", err=True)
    except (BrokerError, ConfigError) as error:
        yield str(error)
    wrong = check_store(config.store)
    if wrong:
        yield wrong
    yield from asyncio.run(check_slack(config))
    yield from asyncio.run(check_providers(config.poll, time.time()))
