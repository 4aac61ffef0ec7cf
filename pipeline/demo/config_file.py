"""A configuration as the file that a process reads, with the secrets in it."""

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr

from pipeline.config import Config

SECTIONS: Final = ("kafka", "store", "slack", "response", "poll", "serve")


def write_config(config: Config, file: Path) -> Path:
    """Write the settings that were given, and leave out the others; only the owner reads it."""
    file.touch(mode=0o600)
    file.write_text(_toml(config))
    return file


def _toml(config: Config) -> str:
    """TOML takes JSON's texts, numbers and lists as they are."""
    lines = [] if config.keys is None else [f"keys = {_value(config.keys)}"]
    for section in SECTIONS:
        values = _plain(getattr(config, section))
        lines += [f"[{section}]", *(f"{k} = {_value(v)}" for k, v in values.items()), ""]
    return "\n".join(lines)


def _plain(model: BaseModel) -> dict[str, object]:
    given = {name: getattr(model, name) for name in model.model_fields_set}
    return {name: value for name, value in given.items() if value is not None}


def _value(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, BaseModel):
        value = _plain(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return json.dumps(value if isinstance(value, (bool, int, float)) else str(value))
