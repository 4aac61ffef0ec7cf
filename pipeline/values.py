"""Kinds of values that settings have, each with what it takes to be one."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PORT_MAX = 65_535


def _network(text: str) -> str:
    ip_network(text)
    return text


NetworkText = Annotated[str, AfterValidator(_network)]


def _brokers(text: str) -> str:
    for broker in text.split(","):
        host, _, port = broker.strip().rpartition(":")
        is_port = port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX
        if not host or not is_port or any(each.isspace() for each in host):
            raise ValueError(f"must be host:port, or several separated by commas: {broker!r}")
    return text


Brokers = Annotated[str, AfterValidator(_brokers)]
