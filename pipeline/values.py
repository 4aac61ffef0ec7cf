"""Kinds of values that settings have, each with what it takes to be one."""

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

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
        if not is_port or re.fullmatch(r"[^\s/]+", host) is None:
            raise ValueError(f"must be host:port, or several separated by commas: {broker!r}")
    return text


Brokers = Annotated[str, AfterValidator(_brokers)]


class EmptyIsUnset(BaseModel):
    """Fields that are None unless set, are so too when set to nothing."""

    @field_validator("*", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object, info: ValidationInfo) -> object:
        is_empty = isinstance(value, str) and not value.strip()
        if is_empty and info.field_name and cls.model_fields[info.field_name].default is None:
            return None
        return value
