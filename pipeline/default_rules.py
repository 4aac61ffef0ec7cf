"""The rules of a configuration: every detector, the catalogue, and what is known of addresses."""

from pathlib import Path

import maxminddb

from detectors.discovery import all_detectors
from pipeline.accept import Acceptor
from pipeline.config import Config, ConfigError
from pipeline.engine import Rules
from pipeline.enrich.kinds import Kinds
from pipeline.enrich.pricing import Pricer
from pipeline.enrich.sources import Locator


def default_rules(config: Config) -> Rules:
    """The rules of a configuration, with every detector that there is.

    Raises:
        ConfigError: a geography file cannot be read.
    """
    sources = config.sources
    countries = _opened("sources.country_mmdb", sources.country_mmdb)
    systems = _opened("sources.asn_mmdb", sources.asn_mmdb)
    kinds = Kinds(Locator(sources.proxies, countries, systems))
    detection = config.detection
    return Rules(
        acceptor=Acceptor(Pricer(), kinds, future_seconds=detection.future_seconds),
        kinds=kinds,
        detectors=all_detectors(),
        lateness_seconds=detection.lateness_seconds,
    )


def _opened(setting: str, path: Path | None) -> maxminddb.Reader | None:
    if path is None:
        return None
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(f"{setting}: {path} cannot be used: {error}") from None
