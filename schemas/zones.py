"""Time zones by their names."""

import re
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIXED: Final = re.compile(r"UTC([+-]\d{1,2})")


@lru_cache(maxsize=512)
def zone_named(name: str) -> tzinfo | None:
    """The zone of an IANA name or of hours east of UTC (`UTC+9`); None when there is none."""
    if (fixed := _FIXED.fullmatch(name)) and abs(hours := int(fixed[1])) < 24:
        return timezone(timedelta(hours=hours))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a directory, an endless name
        return None
