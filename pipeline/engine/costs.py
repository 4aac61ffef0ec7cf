"""What an incident has cost so far, and what would have been usual in that time."""

from typing import Final

from detectors.baselines.volume import Volume
from detectors.baselines.windows import MINUTES_KEPT
from detectors.contract import KeyView

_WEEK_SECONDS: Final = 7 * 86_400.0


def spent_since(key: KeyView, since: float) -> tuple[float, int]:
    """Nano-dollars since the minute of a time, or since the nearest one when they are still known.

    Minutes are known for half an hour; before that hours, for a day. In the hour that a time lies
    in, what is usual is held to have been spent before it.

    Args:
        key: at the moment up to which it counts.
        since: Unix seconds.

    Returns:
        From when on, in Unix seconds, and how much.
    """
    windows, minute = key.windows, key.minute
    length = minute - int(since // 60) + 1
    if length <= MINUTES_KEPT:
        return 60.0 * (since // 60), windows.recent(minute, length).nanos
    first = windows.first_hour
    if since < 3600.0 * first:
        hours = range(first, key.hour + 1)
        since = 3600.0 * next((hour for hour in hours if windows.spend_of(hour)), first)
    hour = int(since // 3600)
    nanos = sum(map(windows.spend_of, range(hour, key.hour + 1)))
    usual = usual_between(key.history.volume, 3600.0 * hour, since, key.zone)
    return since, nanos - min(windows.spend_before_kept(hour, minute), int(usual))


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
