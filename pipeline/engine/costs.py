"""What an incident has cost so far, and what would have been usual in that time."""

from typing import Final

from detectors.baselines.volume import Volume
from detectors.baselines.windows import Windows
from pipeline.engine.counting import MINUTES_KEPT

_WEEK_SECONDS: Final = 7 * 86_400.0


def spent_since(windows: Windows, since: float, minute: int) -> tuple[float, int]:
    """Nano-dollars since a time, or since the nearest one from which on they are still known.

    Minutes are known for half an hour; before that hours, for a day.

    Args:
        windows: of the key.
        since: Unix seconds.
        minute: the last to count, in minutes since 1970.

    Returns:
        From when on, in Unix seconds, and how much.
    """
    length = minute - int(since // 60) + 1
    if length <= MINUTES_KEPT:
        return since, windows.recent(minute, length).nanos
    hour, last = int(since // 3600), minute // 60
    hours = range(max(hour, windows.first_hour), last + 1)
    return max(since // 3600, hours.start) * 3600.0, sum(map(windows.spend_of, hours))


def usual_between(volume: Volume, since: float, until: float, zone: str | None) -> float:
    """Nano-dollars that the key spends as a rule between two times, in Unix seconds.

    Args:
        volume: of the key.
        since: Unix seconds.
        until: Unix seconds; nothing is usual if it is not later.
        zone: the key's.
    """
    # One week is as the next, and nobody says how late an incident ends, or is judged.
    weeks = int(max(0.0, until - since) // _WEEK_SECONDS)
    usual = _by_hours(volume, since, until - weeks * _WEEK_SECONDS, zone)
    if weeks:
        usual += weeks * _by_hours(volume, since, since + _WEEK_SECONDS, zone)
    return usual


def _by_hours(volume: Volume, since: float, until: float, zone: str | None) -> float:
    usual = 0.0
    for hour in range(int(since // 3600), int(until // 3600) + 1):
        part = min(until, 3600.0 * (hour + 1)) - max(since, 3600.0 * hour)
        usual += volume.expected(hour, zone)[1] * max(0.0, part) / 3600.0
    return usual
