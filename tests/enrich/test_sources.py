from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maxminddb import open_database

from pipeline.config import Config, ConfigError, Sources
from pipeline.default_rules import default_rules
from pipeline.enrich import sources
from pipeline.enrich.sources import Locator
from tests.support.mmdb import Value, write_mmdb

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("forwarded", "ip"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("203.0.113.7, 10.0.0.4", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.4, 10.1.1.1", "203.0.113.7"),
        ("not-an-address, 203.0.113.7, 10.0.0.4", "203.0.113.7"),
        ("203.0.113.7, fd00::1", "203.0.113.7"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ('"[2A00:1450::1]:443"', "2a00:1450::1"),
        ("[2a00:1450::1]", "2a00:1450::1"),
        ("2a00:1450:0:0::1", "2a00:1450::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("64:ff9b::808:808", "8.8.8.8"),
        ("x" * 5000 + ", 8.8.8.8", "8.8.8.8"),
    ],
)
def test_the_client_is_found(forwarded: str, ip: str) -> None:
    found = Locator(PROXIES).locate(forwarded)
    assert found is not None
    assert found.ip == ip


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "999.1.1.1",
        "1.2.3",
        "01.2.3.4",
        "8.8.8.8, unknown",
        ",",
        "[",
        "::g",
    ],
)
def test_garbage_is_no_source(garbage: str) -> None:
    assert Locator(PROXIES).locate(garbage) is None


@pytest.mark.parametrize(
    ("ip", "kind", "country"),
    [
        ("10.1.2.3", "private", None),
        ("127.0.0.1", "private", None),
        ("100.64.0.1", "private", None),
        ("fe80::1", "private", None),
        ("224.0.0.1", "private", None),
        ("203.0.113.7", None, None),
        ("8.8.8.8", "hosting", "US"),
        ("1.1.1.1", "cdn", None),
        ("104.16.0.1", "cdn", None),
        ("66.249.66.1", "hosting", "US"),
        ("185.220.101.1", "tor", "DE"),
        ("165.225.72.9", "proxy", None),
        ("163.116.130.4", "proxy", None),
        ("9.9.9.9", None, "US"),
        ("185.220.100.1", "tor", "DE"),
        ("185.220.103.255", "tor", "DE"),
        ("146.70.1.2", "vpn", "RO"),
        ("45.83.223.255", "vpn", "SE"),
        ("156.146.53.27", "vpn", "GB"),
        ("45.83.224.0", None, "IN"),
        ("192.3.4.4", "hosting", "US"),
        ("89.58.3.4", "hosting", "DE"),
    ],
)
def test_kinds_and_countries(ip: str, kind: str | None, country: str | None) -> None:
    found = Locator().locate(ip)
    assert found is not None
    assert (found.kind, found.country) == (kind, country)


@pytest.mark.parametrize(
    ("ip", "prefix"), [("203.0.113.7", "203.0.113.0/24"), ("2a00:1450:1:2::3", "2a00:1450:1::/48")]
)
def test_the_network_around_it(ip: str, prefix: str) -> None:
    found = Locator().locate(ip)
    assert found is not None
    assert found.prefix == prefix


def test_the_digest_is_of_the_address_alone() -> None:
    digests = {
        found.digest
        for text in ("8.8.8.8", "8.8.8.8:80", "8.8.8.8, 10.0.0.1")
        if (found := Locator(PROXIES).locate(text))
    }
    assert digests == {3378569808714113637}


@pytest.mark.parametrize(
    "record",
    [
        {"country": {"iso_code": "NZ"}},  # GeoLite2 and DB-IP
        {"country": "NZ", "country_name": "New Zealand"},  # IPinfo, country
        {"country": "New Zealand", "country_code": "NZ", "asn": "AS9"},  # IPinfo Lite
        {"country": {"iso_code": "NZ"}, "city": {"names": {"en": "Wellington"}}},
    ],
)
def test_a_country_file_wins(tmp_path: Path, record: Value) -> None:
    file = write_mmdb(tmp_path / "c.mmdb", {"8.8.8.0/24": record})
    locator = Locator(countries=open_database(file))
    inside, outside, private = (locator.locate(ip) for ip in ("8.8.8.8", "9.9.9.9", "10.0.0.1"))
    assert inside and outside and private  # noqa: PT018 - types
    assert (inside.country, outside.country, private.country) == ("NZ", "US", None)


@pytest.mark.parametrize(
    "record",
    [
        {"autonomous_system_number": 15169, "autonomous_system_organization": "GOOGLE"},
        {"asn": "AS15169", "name": "GOOGLE", "domain": "google.com"},
        {"asn": "AS15169", "as_name": "GOOGLE", "country_code": "US"},
    ],
)
def test_a_network_file_names_the_system(tmp_path: Path, record: Value) -> None:
    file = write_mmdb(tmp_path / "a.mmdb", {"8.8.8.0/24": record}, version=4)
    locator = Locator(systems=open_database(file))
    inside, six = locator.locate("8.8.8.8"), locator.locate("2a00:1450::1")
    assert inside is not None
    assert six is not None
    assert (inside.asn, inside.network) == (15169, "GOOGLE")
    assert (six.asn, six.network) == (None, "Google")


def test_a_file_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mmdb"
    bad.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"^sources\.country_mmdb"):
        default_rules(Config(sources=Sources(country_mmdb=bad)))
    with pytest.raises(ConfigError, match=r"^sources\.asn_mmdb"):
        default_rules(Config(sources=Sources(asn_mmdb=tmp_path / "missing.mmdb")))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CACHE_MAX", 16)
    locator = Locator()
    for number in range(100):
        locator.locate(f"9.9.9.{number}")
        assert len(locator._cache) <= 16


@given(st.text(max_size=600) | st.from_regex(r"[0-9a-f:.,\[\]% ]{0,80}"))
def test_any_text_is_a_source_or_none(text: str) -> None:
    found = Locator(PROXIES).locate(text)
    assert found is None or found.prefix
