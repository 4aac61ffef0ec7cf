"""Kinds of values that settings have, each with what it takes to be one."""

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PORT_MAX = 65_535


def _network(text: str) -> str:
    ip_network(text)
    return text


NetworkText = Annotated[str, AfterValidator(_network)]


def _brokers(text: str) -> str:
    if "@" in text:  # not quoted: a password may stand before it
        raise ValueError("must be host:port without a user, which sasl_username is for")
    for broker in text.split(","):
        host, _, port = broker.strip().rpartition(":")
        is_port = port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX
        if not is_port or re.fullmatch(r"[^\s/]+", host) is None:
            raise ValueError(f"must be host:port, or several separated by commas: {broker!r}")
    return text


Brokers = Annotated[str, AfterValidator(_brokers)]


def _host(text: str) -> str:
    # Not quoted: a password may stand in an address. A name of IPv6 has more than one colon.
    if re.search(r"[\s/@]|^[^:]*:\d*$|\]:\d*$", text):
        raise ValueError(
            "must be a host's name alone: store.port is for the port, store.secure for https, "
            "store.username for the user"
        )
    return text


StoreHost = Annotated[str, AfterValidator(_host)]


def _api_url(text: str) -> str:
    parts = urlsplit(text)
    here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.hostname is None or parts.scheme not in ({"https", "http"} if here else {"https"}):
        raise ValueError("must begin with https://, since a key is sent there")
    return text.rstrip("/")


ApiUrl = Annotated[str, AfterValidator(_api_url)]


def _header_text(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be a key as the provider shows it, in one line")
    return SecretStr(text)


ApiKey = Annotated[SecretStr, AfterValidator(_header_text)]
"""A secret that is sent in a header."""


class EmptyIsUnset(BaseModel):
    """Set to nothing, what is None unless set is so too, and a list or a table is empty."""

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_if_empty(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str) or value.strip() or info.field_name is None:
            return value
        default = cls.model_fields[info.field_name].default
        if isinstance(default, list | dict):
            return type(default)()
        return None if default is None else value
