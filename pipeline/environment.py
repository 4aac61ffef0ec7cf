"""What the environment says of the configuration, as `LEAKLINE_SECTION__FIELD`.

A variable that cannot be read as JSON stays text, so that validation names its key.
"""

import re
from contextlib import suppress
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource


class Environment(EnvSettingsSource):
    """Lists and tables are JSON; a list of texts may also be separated by commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - as its base
        """A list or a table, or the text that is neither."""
        if _holds_texts(field) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",") if part.strip()]
        with suppress(ValueError):
            return super().decode_complex_value(field_name, field, value)
        return value


def as_variable(name: object) -> str:
    """A name as a variable can spell it, in lower case."""
    return re.sub(r"\W", "_", str(name), flags=re.ASCII).lower()


def _holds_texts(field: FieldInfo | None) -> bool:
    if field is None or get_origin(field.annotation) is not list:
        return False
    (kind,) = get_args(field.annotation)
    return not (isinstance(kind, type) and issubclass(kind, BaseModel))
