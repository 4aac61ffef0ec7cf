"""Where requests come from: real public address ranges, by who runs them.

A small table rather than a database: enough that country and hosting look-ups give what they
would for real traffic. Countries of cloud ranges are those of the registries (all of AWS is US).
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

import numpy as np

Kind = Literal["hosting", "isp", "mobile", "vpn", "tor"]
Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Network:
    """A region of a cloud, an access provider, or an anonymiser."""

    name: str
    kind: Kind
    country: str
    """As the regional registries have it."""
    prefixes: tuple[Prefix, ...]


def _network(name: str, kind: Kind, country: str, prefixes: str) -> Network:
    return Network(name, kind, country, tuple(ip_network(text) for text in prefixes.split()))


NETWORKS = (
    _network("aws-us-east-1", "hosting", "US", "3.80.0.0/13 34.192.0.0/13 44.192.0.0/13"),
    _network("aws-us-west-2", "hosting", "US", "52.36.0.0/15 54.184.0.0/14"),
    _network("aws-eu-west-1", "hosting", "US", "34.240.0.0/14 52.208.0.0/14"),
    _network("aws-eu-central-1", "hosting", "US", "3.120.0.0/15 52.28.0.0/16"),
    _network("aws-ap-northeast-1", "hosting", "US", "13.112.0.0/15"),
    _network("aws-ap-south-1", "hosting", "US", "13.232.0.0/15"),
    _network("gcp-us-central1", "hosting", "US", "34.123.0.0/16 35.192.0.0/15"),
    _network("gcp-europe-west3", "hosting", "US", "34.141.0.0/17 35.198.64.0/18"),
    _network("gcp-asia-northeast1", "hosting", "US", "34.84.0.0/16"),
    _network("azure-eastus", "hosting", "US", "20.42.0.0/17 20.185.0.0/16"),
    _network("azure-westeurope", "hosting", "US", "20.50.0.0/17"),
    _network("azure-uksouth", "hosting", "GB", "51.140.0.0/17 51.141.0.0/17"),
    _network("github-actions", "hosting", "US", "20.165.29.128/25 20.165.95.128/25 20.165.40.0/21"),
    _network("hetzner", "hosting", "DE", "95.216.0.0/15 116.202.0.0/15 5.9.0.0/16 88.198.0.0/16"),
    _network("contabo", "hosting", "DE", "62.171.128.0/18 144.91.64.0/18 173.249.0.0/18"),
    _network("ovh", "hosting", "FR", "51.68.0.0/16 51.38.0.0/16 141.94.0.0/16 94.23.0.0/16"),
    _network("scaleway", "hosting", "FR", "62.210.0.0/16 195.154.0.0/16 163.172.0.0/18"),
    _network("digitalocean", "hosting", "US", "167.99.0.0/16 134.209.0.0/16 178.128.0.0/16"),
    _network("vultr", "hosting", "US", "45.77.64.0/18 155.138.128.0/17 66.42.32.0/19"),
    _network("linode", "hosting", "US", "45.33.0.0/17 139.144.0.0/17"),
    _network("alibaba-sg", "hosting", "SG", "8.208.0.0/16 8.129.0.0/16"),
    _network("tencent-cn", "hosting", "CN", "43.136.0.0/14 81.68.0.0/14 49.232.0.0/14"),
    _network("huawei-sg", "hosting", "SG", "101.44.0.0/16 124.81.0.0/16"),
    _network("leaseweb-nl", "hosting", "NL", "85.17.0.0/16 95.211.0.0/17"),
    _network("glesys", "hosting", "SE", "46.246.0.0/17 178.73.192.0/18"),
    _network("comcast", "isp", "US", "73.0.0.0/9 24.0.0.0/13 71.192.0.0/13"),
    _network("cox", "isp", "US", "98.160.0.0/13 68.96.0.0/13"),
    _network("tmobile-us", "mobile", "US", "172.56.0.0/16 2607:fb90::/32"),
    _network("bt", "isp", "GB", "86.128.0.0/11 81.128.0.0/13"),
    _network("sky", "isp", "GB", "90.192.0.0/12"),
    _network("telekom", "isp", "DE", "79.192.0.0/11 91.0.0.0/11 84.128.0.0/11 2003::/20"),
    _network("orange", "isp", "FR", "86.192.0.0/12 2a01:c000::/20"),
    _network("free", "isp", "FR", "82.224.0.0/12"),
    _network("jio", "mobile", "IN", "49.36.0.0/14 2405:200::/30"),
    _network("bsnl", "isp", "IN", "117.192.0.0/11"),
    _network("airtel", "isp", "IN", "122.160.0.0/13"),
    _network("ntt", "isp", "JP", "219.160.0.0/12"),
    _network("kddi", "isp", "JP", "60.64.0.0/12"),
    _network("claro", "isp", "BR", "177.32.0.0/14"),
    _network("bell", "isp", "CA", "70.48.0.0/13"),
    _network("rogers", "isp", "CA", "99.224.0.0/12"),
    _network("telstra", "isp", "AU", "1.128.0.0/12 120.144.0.0/13"),
    _network("orange-pl", "isp", "PL", "83.0.0.0/12"),
    _network("telefonica", "isp", "ES", "88.0.0.0/12 83.32.0.0/12"),
    _network("tim", "isp", "IT", "79.0.0.0/11 151.16.0.0/13"),
    _network("beeline", "isp", "RU", "95.24.0.0/14"),
    _network("ukrtelecom", "isp", "UA", "37.52.0.0/14"),
    _network("vnpt", "isp", "VN", "113.160.0.0/12"),
    _network("viettel", "mobile", "VN", "27.64.0.0/13"),
    _network("telkom-id", "isp", "ID", "36.64.0.0/12"),
    _network("china-mobile", "mobile", "CN", "111.0.0.0/11"),
    _network("china-telecom", "isp", "CN", "101.80.0.0/13 114.80.0.0/13"),
    _network("mtn-ng", "mobile", "NG", "197.210.0.0/16 105.112.0.0/13"),
    _network("ptcl", "isp", "PK", "39.32.0.0/12 182.176.0.0/13"),
    _network("turk-telekom", "isp", "TR", "78.160.0.0/12 88.224.0.0/12"),
    _network("kt", "isp", "KR", "112.160.0.0/12 175.192.0.0/11"),
    _network("hinet", "isp", "TW", "218.160.0.0/13 61.216.0.0/14"),
    _network("proton-ch", "vpn", "CH", "62.169.136.208/28 185.159.158.212/30 185.159.156.84/30"),
    _network("mullvad-se", "vpn", "SE", "185.213.154.66/32 185.195.232.66/32 193.32.127.70/32"),
    _network("tor-us", "tor", "US", "23.191.200.32/27 23.129.64.160/27 204.8.96.144/28"),
    _network("tor-de", "tor", "DE", "185.220.101.0/26 185.220.101.140/30"),
    _network("tor-nl", "tor", "NL", "192.42.116.96/28 192.42.116.44/30 45.66.35.28/30"),
)
BY_NAME = {network.name: network for network in NETWORKS}

CLOUDS = tuple(n for n in NETWORKS if n.name.startswith(("aws-", "gcp-", "azure-")))
"""Where honest services usually run."""
CHEAP_HOSTS = tuple(n for n in NETWORKS if n.kind == "hosting" and n not in CLOUDS)
"""Where rented machines are had for little money and few questions."""
ANONYMISERS = tuple(n for n in NETWORKS if n.kind in {"vpn", "tor"})
HOMES = tuple(n for n in NETWORKS if n.kind in {"isp", "mobile"})


def homes(country: str) -> tuple[Network, ...]:
    """Access providers of a country."""
    return tuple(n for n in HOMES if n.country == country)


def neighbourhood(rng: np.random.Generator, network: Network) -> Prefix:
    """A small part of a network, as one customer or one region would get: a /20 (IPv6: /48)."""
    prefix = network.prefixes[int(rng.integers(len(network.prefixes)))]
    length = max(prefix.prefixlen, 20 if prefix.version == 4 else 48)
    steps = 1 << min(length - prefix.prefixlen, 30)
    size = 1 << (prefix.max_prefixlen - length)
    return ip_network((int(prefix.network_address) + int(rng.integers(steps)) * size, length))


def address(rng: np.random.Generator, prefix: Prefix) -> str:
    """An address in a prefix, never a network's own or its broadcast."""
    span = min(prefix.num_addresses, 1 << 62)
    host = int(prefix.network_address) + int(rng.integers(span))
    if prefix.version == 4 and prefix.prefixlen <= 24:
        host = (host & ~0xFF) + 1 + (host & 0xFF) % 254
    return str(type(prefix.network_address)(host))


def addresses(rng: np.random.Generator, network: Network, count: int) -> list[str]:
    """Addresses of one customer of a network."""
    place = neighbourhood(rng, network)
    return [address(rng, place) for _ in range(count)]
