"""What the environment says of the configuration, as `LEAKLINE_SECTION__FIELD`.

A variable that cannot be read as JSON stays text, so that validation names its key.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

PREFIX: Final = "LEAKLINE_"
DELIMITER: Final = "__"
OTHERS: Final = {
    *("CONFIG", "DEBUG"),
    *("URL", "TOKEN", "PSEUDONYM_SALT", "CUT_ADDRESSES"),
    *("WEBHOOK_SECRET", "REVOKED_FILE", "KEYS_FILE"),
}
"""The command line's, and those of the files in deploy/litellm."""
_FOREIGN: Final = re.compile(r"TEST_|.*(_|^)(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_|$)")
"""The tests', and what Kubernetes sets where a service is called leakline…"""
_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
"""What it sets `…_PORT` to."""


class Environment(EnvSettingsSource):
    """Lists and tables are JSON; a list of texts may also be separated by commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - as its base
        """A list or a table, or the text that is neither."""
        if _holds_texts(field) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",") if part.strip()]
        with suppress(ValueError):
            return super().decode_complex_value(field_name, field, value)
        return value


def unknown_variables(model: type[BaseModel]) -> Iterator[str]:
    """A line for each variable that is meant for a model, and that no field takes."""
    names = dict(_names(model))
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix(PREFIX)
        if name == variable.upper() or name in OTHERS or _FOREIGN.match(name):
            continue
        head, delimiter, _ = name.partition(DELIMITER)
        if head in names and (names[head] or not delimiter):
            continue
        if not _ADDRESS.match(value):
            close = get_close_matches(head if head in names else name, names, 1, cutoff=0.75)
            hint = f"; did you mean {PREFIX}{close[0]}?" if close else ""
            yield f"{variable}: there is no such setting{hint}"


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Every name that a variable can have, and whether more can follow it."""
    for field, info in model.model_fields.items():
        kind, name = info.annotation, prefix + field.upper()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield name, True
            yield from _names(kind, name + DELIMITER)
        else:
            yield name, False


def with_secrets(tables: object, secrets: Mapping[str, SecretStr]) -> object:
    """Tables that have names, each with the secret that stands beside its name.

    A variable cannot spell every name: case does not count, and what it cannot hold is `_`.

    Raises:
        ValueError: a secret is nobody's.
    """
    if not isinstance(tables, list):
        return tables
    left = {_as_variable(name): name for name in secrets}
    given = []
    for table in tables:
        name = left.pop(_as_variable(table.get("name")), None) if isinstance(table, dict) else None
        given.append(table if name is None else {**table, "secret": secrets[name]})
    if left:
        raise ValueError(f"none is called {', '.join(left.values())}, which has a secret")
    return given


def _as_variable(name: object) -> str:
    return re.sub(r"\W", "_", str(name), flags=re.ASCII).lower()


def _holds_texts(field: FieldInfo | None) -> bool:
    if field is None or get_origin(field.annotation) is not list:
        return False
    (kind,) = get_args(field.annotation)
    return not (isinstance(kind, type) and issubclass(kind, BaseModel))
