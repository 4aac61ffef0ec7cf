"""Where outgoing requests may go: never into private networks, unless the operator said so."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pipeline.config import Network

_TUNNELS: tuple[tuple[Network, str], ...] = (
    (ip_network("64:ff9b::/96"), "NAT64"),
    (ip_network("64:ff9b:1::/48"), "NAT64"),
    (ip_network("2002::/16"), "6to4"),
    (ip_network("192.88.99.0/24"), "6to4 relay"),
    (ip_network("2001::/32"), "Teredo"),
    (ip_network("::/96"), "IPv4-compatible"),
)
"""Addresses that hide another one; `is_global` holds for several of them."""
_GLOBAL_UNICAST = ip_network("2000::/3")
"""All IPv6 addresses of public hosts; `is_global` holds for site-local and translated ones, too."""

AddressInfo = tuple[
    int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]
]
"""What `getaddrinfo` gives for one address."""


class EgressRefusedError(OSError):
    """An address that requests must not go to."""


def unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address within a v4-mapped IPv6 address, else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def why_forbidden(text: str, allowed: Sequence[Network], *, plain: bool = False) -> str | None:
    """Why a request must not go to an IP address, or None when it may.

    Args:
        text: an address as the operating system gives it; a zone (`%eth0`) is tolerated.
        allowed: private networks that the operator opened.
        plain: it goes over plain http, which is for those networks alone.
    """
    address = unwrap(ip_address(text.partition("%")[0]))
    if address.is_multicast or address.is_unspecified:
        return f"{address} is no address of a host"
    for network, name in _TUNNELS:
        if address.version == network.version and address in network and not address.is_loopback:
            return f"{address} is a {name} address, which hides another one"
    if any(address.version == network.version and address in network for network in allowed):
        return None
    if not address.is_global or (address.version == 6 and address not in _GLOBAL_UNICAST):
        return f"{address} is not public and not in allowed_networks"
    if plain:
        return f"{address} is not in allowed_networks, and plain http is for those alone"
    return None


class GuardedSockets:
    """Makes the sockets of a connection, after a look at the address that it goes to.

    aiohttp asks for a socket with the very address that it then connects to, for literal and for
    resolved hosts alike, so that nothing can change between the check and the connection.
    """

    def __init__(self, allowed: Sequence[Network], *, plain: bool = False) -> None:
        self._allowed = allowed
        self._plain = plain
        self.refused: str | None = None
        """Why the last refused address was refused."""

    def __call__(self, info: AddressInfo) -> socket.socket:
        """A socket for one address.

        Raises:
            EgressRefusedError: requests must not go there.
        """
        family, kind, protocol, _, address = info
        reason = why_forbidden(str(address[0]), self._allowed, plain=self._plain)
        if reason is not None:
            self.refused = reason
            raise EgressRefusedError(reason)
        return socket.socket(family, kind, protocol)
