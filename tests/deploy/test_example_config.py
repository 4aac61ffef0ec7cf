import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from pipeline.config import Config

BY_NAME = {"response.gateway_secrets", "serve.tokens"}
"""Tables whose keys are no fields."""
EXAMPLE = Path(__file__).parents[2] / "deploy" / "leakline.example.toml"


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of every field that is no section."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        section = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None
        )
        if section is None:
            yield prefix + name
        else:
            yield from fields(section, f"{prefix}{name}.")


def names(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        inner = (
            value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        )
        if isinstance(inner, dict) and prefix + name not in BY_NAME:
            yield from names(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_example_is_a_configuration() -> None:
    config = Config.load(EXAMPLE)
    assert config.response.gateways[0].name == "prod"


def test_the_example_shows_every_field() -> None:
    shown = set(names(tomllib.loads(EXAMPLE.read_text())))
    assert shown == set(fields(Config))


def test_every_field_is_explained() -> None:
    """A comment stands above each field, or above the line before it when they go together."""
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].strip(), f"{line!r} stands without a comment"
