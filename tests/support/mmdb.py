"""Writes MaxMind DB files, so that tests need none of anybody's data."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

Value = str | int | Mapping[str, "Value"]
_MARK = b"\xab\xcd\xefMaxMind.com"
_TEXT, _MAP, _UINT16, _UINT32, _UINT64, _ARRAY = 2, 7, 5, 6, 9, 11


def write_mmdb(path: Path, records: Mapping[str, Value], *, version: int = 6) -> Path:
    """Write a file of {network: record}; an IPv4 network goes where IPv6 trees keep it."""
    nodes: list[list[int | None]] = [[None, None]]
    data = b""
    places: dict[int, int] = {}
    for number, (text, record) in enumerate(records.items()):
        places[number] = len(data)
        data += _encode(record)
        _insert(nodes, _bits(ip_network(text), version), -1 - number)
    count = len(nodes)
    tree = b"".join(
        _pointer(child, count, places).to_bytes(3, "big") for node in nodes for child in node
    )
    path.write_bytes(tree + bytes(16) + data + _MARK + _metadata(count, version))
    return path


def _bits(network: IPv4Network | IPv6Network, version: int) -> str:
    bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
    return "0" * 96 + bits if network.version == 4 and version == 6 else bits


def _insert(nodes: list[list[int | None]], bits: str, leaf: int) -> None:
    at = 0
    for bit in bits[:-1]:
        child = nodes[at][int(bit)]
        if child is None or child < 0:
            nodes.append([None, None])
            child = nodes[at][int(bit)] = len(nodes) - 1
        at = child
    nodes[at][int(bits[-1])] = leaf


def _pointer(child: int | None, count: int, places: Mapping[int, int]) -> int:
    if child is None:
        return count
    return child if child >= 0 else count + 16 + places[-1 - child]


def _metadata(count: int, version: int) -> bytes:
    fields = {
        "node_count": _number(_UINT32, count),
        "record_size": _number(_UINT16, 24),
        "ip_version": _number(_UINT16, version),
        "database_type": _encode("Test"),
        "languages": _head(_ARRAY, 0),
        "binary_format_major_version": _number(_UINT16, 2),
        "binary_format_minor_version": _number(_UINT16, 0),
        "build_epoch": _number(_UINT64, 1_790_000_000),
        "description": _encode({}),
    }
    return _head(_MAP, len(fields)) + b"".join(
        _encode(name) + value for name, value in fields.items()
    )


def _encode(value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _head(_TEXT, len(raw)) + raw
    if isinstance(value, int):
        return _number(_UINT32, value)
    pairs = b"".join(_encode(name) + _encode(item) for name, item in value.items())
    return _head(_MAP, len(value)) + pairs


def _number(kind: int, value: int) -> bytes:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _head(kind, len(raw)) + raw


def _head(kind: int, size: int) -> bytes:
    extra = b""
    if size >= 29:
        extra, size = bytes([size - 29]), 29
    if kind <= 7:
        return bytes([kind << 5 | size]) + extra
    return bytes([size, kind - 7]) + extra
