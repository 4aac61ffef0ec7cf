"""Where a request came from: its client's address, network and country, without asking anybody.

The country is that of the registry's delegation, or of a file that the user supplies; the kind is
that of published ranges of clouds, content networks, VPNs and Tor exits, or of those in `hosts`.
Addresses of content and anycast networks are everywhere at once, and private ones nowhere: neither
has a country.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import iptocc
import maxminddb
from iporigin import Origin, classify
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from pipeline.enrich.hosts import host_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CACHE_MAX: Final = 131_072
"""Addresses remembered, and kinds of requests (`pipeline.enrich.kinds`); beyond it everything is
forgotten and looked up again."""
FORWARDED_LENGTH_MAX: Final = 512
"""Characters looked at of a forwarded list, from its right end: the left one is the client's."""

_KINDS: Final = {"hosting": "hosting", "bot": "hosting", "cdn": "cdn", "vpn": "vpn", "tor": "tor"}
_ANYCAST: Final[tuple[Network, ...]] = (
    IPv4Network("1.0.0.0/24"),
    IPv4Network("1.1.1.0/24"),
)
"""Anycast ranges that the published lists leave out."""
_DOCUMENTATION: Final[tuple[Network, ...]] = (
    IPv4Network("192.0.2.0/24"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv6Network("2001:db8::/32"),
)
"""Examples and simulations use these for hosts of the internet, so they are not private."""
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Source(Struct, frozen=True, gc=False):
    """What is known of a client's address."""

    ip: str
    """In its canonical form."""
    prefix: str
    """The network around it: /24 of IPv4, /48 of IPv6."""
    country: str | None
    """ISO 3166-1 alpha-2."""
    asn: int | None
    network: str | None
    """The organisation of the autonomous system, or the hosting provider."""
    kind: str | None
    """`hosting`, `cdn`, `vpn`, `tor`, `proxy` (a company's), `private`; None: probably somebody's
    own line."""
    digest: int
    """Stable 64-bit hash of `ip`."""


class Locator:
    """Resolves client addresses. Deterministic; one dict look-up for one seen before."""

    def __init__(
        self,
        proxies: tuple[Network, ...] = (),
        countries: maxminddb.Reader | None = None,
        systems: maxminddb.Reader | None = None,
    ) -> None:
        """Start with nothing looked up.

        Args:
            proxies: our own.
            countries: the user's file of countries, if there is one.
            systems: the same of autonomous systems.
        """
        self._proxies = proxies
        self._countries = countries
        self._systems = systems
        self._cache: dict[str, Source | None] = {}

    def locate(self, client_ip: str) -> Source | None:
        """The source behind an address or a forwarded list, or None when that is garbage."""
        text = client_ip[-FORWARDED_LENGTH_MAX:]
        try:
            return self._cache[text]
        except KeyError:
            pass
        address = resolve(text, self._proxies)
        source = None if address is None else self._describe(address)
        if len(self._cache) >= CACHE_MAX:
            self._cache.clear()
        self._cache[text] = source
        return source

    def _describe(self, address: Address) -> Source:
        ip = str(address)
        asn, organisation = _system(_record(self._systems, ip))
        origin: Origin = classify(ip)  # type: ignore[no-untyped-call]  # iporigin has no types
        provider, kind = origin.provider, _kind(address, origin.kind)
        host = host_of(address)
        if host is not None and (kind in {None, "cdn"} or host.kind == "proxy"):
            provider, kind = host
        country = None
        if kind not in ("private", "cdn", "proxy"):
            country = _country(_record(self._countries, ip)) or iptocc.country_code(ip)
        return Source(
            ip=ip,
            prefix=_prefix(address),
            country=country,
            asn=asn,
            network=organisation or provider or None,
            kind=kind,
            digest=xxh3_64_intdigest(ip.encode()),
        )


def resolve(forwarded: str, proxies: tuple[Network, ...]) -> Address | None:
    """The client of a forwarded list: the first address from the right that is no proxy of ours.

    What stands to the left of it was written by the client, so it is never looked at. When all
    are proxies of ours the leftmost is the client.
    """
    address = None
    for hop in reversed(forwarded.split(",")):
        address = _parse(hop)
        if address is None or not any(address in network for network in proxies):
            return address
    return address


def _parse(hop: str) -> Address | None:
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _prefix(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(IPv4Network((int(address) >> 8 << 8, 24)))
    return str(IPv6Network((int(address) >> 80 << 80, 48)))


def _kind(address: Address, listed: str) -> str | None:
    if any(address in network for network in _ANYCAST):
        return "cdn"
    if any(address in network for network in _DOCUMENTATION):
        return None
    if not address.is_global or address.is_multicast:
        return "private"
    return _KINDS.get(listed)


def _record(reader: maxminddb.Reader | None, ip: str) -> dict[str, object]:
    if reader is None:
        return {}
    try:
        record = reader.get(ip)
    except (ValueError, maxminddb.InvalidDatabaseError):  # an IPv6 address in an IPv4 file
        return {}
    return dict(record) if isinstance(record, dict) else {}


def _country(record: dict[str, object]) -> str | None:
    """The country code in a record of MaxMind's, DB-IP's or IPinfo's schema."""
    country = record.get("country_code") or record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    if isinstance(country, str) and len(country) == 2 and country.isascii():
        return country.upper()
    return None


def _system(record: dict[str, object]) -> tuple[int | None, str | None]:
    """(number, organisation) of an autonomous system in the same three schemas."""
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str):
        digits = number.upper().removeprefix("AS")
        number = int(digits) if digits.isascii() and digits.isdigit() else None
    names = ("autonomous_system_organization", "as_name", "name")
    organisation = next((str(record[name]) for name in names if record.get(name)), None)
    return (number if isinstance(number, int) else None), organisation
