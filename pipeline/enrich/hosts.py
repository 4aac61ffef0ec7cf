"""Well-known networks of Tor relays, VPNs, companies' web gateways and hosts.

What the published lists leave out, or take for something else: allocations of the regional
registries whose holders do one thing. No list of these is ever complete: what is missing passes for
somebody's own line.
"""

from bisect import bisect
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final, Literal, NamedTuple

Kind = Literal["hosting", "vpn", "tor", "proxy"]


class Host(NamedTuple):
    """Who runs a network, and what for."""

    name: str
    kind: Kind


_TOR: Final = {
    "Zwiebelfreunde": "185.220.100.0/22",
    "Quintex": "199.249.230.0/24 204.8.96.0/24",
    "Applied Privacy": "109.70.100.0/24",
    "Emerald Onion": "23.129.64.0/24",
    "Unredacted": "23.128.248.0/24",
    "DFRI": "171.25.193.0/24",
    "Nothing to Hide": "192.42.116.0/24",
}
"""Only the relays of a day are listed as exits; nothing else lives in these."""
_VPN: Final = {
    "M247": "5.181.232.0/22 37.120.128.0/19 37.120.192.0/18 81.92.200.0/21 82.102.16.0/20 "
    "89.238.128.0/18 91.132.136.0/22 92.119.176.0/22 146.70.0.0/16 185.94.188.0/22 "
    "185.104.184.0/22 185.156.172.0/22 185.183.104.0/22 185.206.224.0/22 185.212.168.0/22 "
    "185.216.32.0/22 185.236.200.0/22 185.253.96.0/22 193.27.12.0/22 193.56.252.0/22 "
    "194.59.248.0/22 194.187.248.0/22 217.138.192.0/18",
    "Mullvad": "45.83.220.0/22 45.129.56.0/22 141.98.252.0/22 185.65.132.0/22 185.195.232.0/22 "
    "185.213.152.0/22 193.32.126.0/23 193.138.218.0/24",
    "Datacamp": "37.19.192.0/19 79.127.128.0/17 84.17.32.0/19 89.187.160.0/19 138.199.0.0/18 "
    "143.244.32.0/19 149.34.240.0/20 149.102.224.0/19 154.47.16.0/20 156.146.32.0/19 "
    "169.150.192.0/18 185.152.64.0/22 185.229.56.0/22 195.181.160.0/20 212.102.32.0/19",
    "Proton VPN": "185.159.156.0/22",
    "Packethub": "5.253.204.0/22 45.9.248.0/22 45.84.136.0/22 45.87.212.0/22 45.128.36.0/22 "
    "62.182.96.0/22 91.193.4.0/22 185.153.176.0/22 192.145.116.0/22 193.9.112.0/22",
    "IPVanish": "64.145.64.0/18 81.171.52.0/22 209.197.0.0/19 216.151.184.0/21",
}
"""M247 and Datacamp are the hosts behind the exits of most VPNs that are sold, and Packethub is
NordVPN's. Datacamp's content network (CDN77) answers requests and makes none: what comes from there
is its tenants'."""
_PROXIES: Final = {
    "Zscaler": "104.129.192.0/20 136.226.0.0/16 147.161.128.0/17 165.225.0.0/16 167.103.0.0/16 "
    "170.85.0.0/16 185.46.212.0/22",
    "Netskope": "162.10.0.0/17 163.116.128.0/17",
}
"""Secure web gateways through which companies send their people's traffic, wherever these sit: the
ranges that Zscaler (config.zscaler.com) and Netskope (NewEdge) publish, in the main."""
_HOSTING: Final = {
    "DigitalOcean": "137.184.0.0/16 159.89.0.0/16 165.232.32.0/19 165.232.64.0/18 165.232.128.0/17",
    "Contabo": "62.171.128.0/17 84.247.128.0/18 86.48.0.0/19 93.104.208.0/21 94.72.96.0/19 "
    "195.26.240.0/20 207.244.224.0/19 209.126.0.0/20",
    "FranTech": "104.244.72.0/21 107.189.0.0/19 198.98.48.0/20 199.195.248.0/21 205.185.112.0/20 "
    "209.141.32.0/19",
    "Gcore": "92.38.128.0/18 92.223.64.0/18",
    "Exoscale": "89.145.160.0/21 159.100.240.0/20 185.19.28.0/22 194.182.160.0/19",
    "Infomaniak": "83.166.128.0/19 84.16.64.0/19 128.65.192.0/19",
    "Timeweb": "5.23.48.0/20 92.53.96.0/19 188.225.0.0/17",
    "Cherry Servers": "5.199.160.0/20 84.32.128.0/17 88.216.0.0/16",
    "Huawei Cloud": "121.36.0.0/15 124.70.0.0/15 139.9.0.0/16",
    "Private Layer": "46.19.136.0/21 81.17.16.0/20 179.43.128.0/18",
    "ColoCrossing": "23.94.0.0/15 104.168.0.0/17 107.172.0.0/14 172.245.0.0/16 192.3.0.0/16 "
    "192.210.128.0/17 192.227.128.0/17 198.12.64.0/18 198.23.128.0/17 198.46.128.0/17",
    "QuadraNet": "67.215.224.0/19 96.44.128.0/18 104.223.0.0/17 155.94.128.0/17 173.254.192.0/18 "
    "198.55.96.0/19",
    "Psychz": "104.149.0.0/16 107.160.0.0/16 108.171.240.0/20",
    "IONOS": "74.208.0.0/16 77.68.0.0/17 82.165.0.0/16 82.223.0.0/16 87.106.0.0/16 "
    "198.71.48.0/20 212.227.0.0/16 213.165.64.0/19 216.250.112.0/20 217.160.0.0/16",
    "netcup": "5.45.96.0/20 37.120.160.0/19 45.129.180.0/22 45.136.28.0/22 46.38.224.0/19 "
    "89.58.0.0/18 91.204.44.0/22 94.16.104.0/21 152.53.0.0/16 185.183.156.0/22 "
    "185.244.192.0/22 188.68.32.0/19 192.145.44.0/22 194.13.80.0/22 202.61.192.0/18",
    "Hostinger": "31.97.0.0/16 31.220.48.0/20 62.72.0.0/18 69.62.64.0/18 72.60.0.0/16 "
    "77.37.32.0/19 82.29.160.0/19 82.112.224.0/19 88.222.208.0/20 93.188.160.0/21 "
    "145.14.144.0/20 145.223.64.0/18 147.79.64.0/18 151.106.96.0/19 153.92.0.0/20 "
    "156.67.208.0/20 168.231.64.0/18 185.224.136.0/22 193.203.160.0/20 195.35.0.0/18 "
    "212.85.0.0/19 217.21.72.0/21 217.196.48.0/20",
    "Vultr": "64.176.0.0/16 70.34.192.0/18 108.61.0.0/16 139.180.128.0/17 149.28.0.0/16 "
    "173.199.64.0/18 207.148.0.0/17",
    "Yandex Cloud": "51.250.0.0/17 84.201.128.0/18 84.252.128.0/20 89.169.128.0/18 "
    "130.193.32.0/19 158.160.0.0/16 178.154.192.0/18",
    "Selectel": "31.184.208.0/20 95.213.128.0/17 188.68.192.0/19",
    "GoDaddy": "50.62.0.0/15 72.167.0.0/16 107.180.0.0/17 132.148.0.0/16 184.168.0.0/16",
    "DreamHost": "64.90.32.0/19 66.33.192.0/19 69.163.128.0/17 75.119.192.0/19 173.236.128.0/17 "
    "208.113.128.0/17",
    "Newfold": "162.144.0.0/16 162.241.0.0/16 192.185.0.0/16",
    "InterServer": "66.45.224.0/19 69.10.32.0/19 162.250.120.0/21 199.231.184.0/21",
    "Strato": "81.169.128.0/17 85.214.0.0/16",
    "Aruba": "62.149.128.0/17 80.211.0.0/16 89.46.64.0/20 94.177.160.0/19",
}


def _ranges() -> list[tuple[int, int, Host]]:
    tables: tuple[tuple[Kind, dict[str, str]], ...] = (
        ("tor", _TOR),
        ("vpn", _VPN),
        ("proxy", _PROXIES),
        ("hosting", _HOSTING),
    )
    return sorted(
        (int(network[0]), int(network[-1]), Host(name, kind))
        for kind, table in tables
        for name, ranges in table.items()
        for network in map(IPv4Network, ranges.split())
    )


_RANGES: Final = _ranges()
_FIRSTS: Final = [first for first, _, _ in _RANGES]


def host_of(address: IPv4Address | IPv6Address) -> Host | None:
    """Who runs the network of an address, if it is one of these."""
    if isinstance(address, IPv6Address):
        return None
    place = bisect(_FIRSTS, int(address)) - 1
    if place < 0 or int(address) > _RANGES[place][1]:
        return None
    return _RANGES[place][2]
