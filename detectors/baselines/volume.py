"""How much a key usually does: by hour of day and kind of day, with its records."""

import math
import struct
from array import array
from collections.abc import Sequence
from operator import mul
from typing import Final

from msgspec import Struct, field

from detectors.baselines.level import GROWTH, KNOWN_HOURS, Spread, raised
from detectors.baselines.totals import Totals
from detectors.baselines.zones import bin_of, hours_between, name_of, offset_told_by
from schemas.key_record import KeyRecord

BINS: Final = 48
"""24 hours of weekdays, then 24 of weekends."""
_EMPTY: Final = bytes(4 * BINS)
_unpack: Final = struct.Struct(f"<{BINS}f").unpack
_unpack_day: Final = struct.Struct("<24f").unpack_from
_unpack_hour: Final = struct.Struct("<f").unpack_from
_ZONE_DAYS: Final = 3.0
"""Weekdays that must be known before their hours tell a time zone."""
_MEMORY_DAYS: Final = 14.0
"""Days of one kind that the hourly means look back."""
_RECORD_HALF_LIFE_HOURS: Final = 30 * 24.0
_DAY_DECAY: Final = 0.5 ** (24.0 / _RECORD_HALF_LIFE_HOURS)
"""Per active day."""
_GAP_HOURS_MAX: Final = 24 * 14
"""Idle hours that are learnt as zero after a pause; a longer lull teaches nothing more."""
_SILENCE_HOURS_MAX: Final = 72
_ACTIVE_MAX: Final = 0.9
"""No hour is so sure to be active that its silence says more than this."""
_CLIP: Final = 2.0
"""Once enough hours are known, an hour counts for at most two records."""
_GROWTH_IN_DOUBT: Final = 1.2
"""Factor by which it may raise a record when it may not have been honest."""
_DRIFT_SLACK: Final = 0.75
"""Standard deviations an hour that growth may take without being counted."""
_DRIFT_MAX: Final = 40.0


class Records(Struct, array_like=True, gc=False):
    """Decaying maxima: the most that the key has honestly done."""

    requests_5m: float = 0.0
    nanos_5m: float = 0.0
    requests_1h: float = 0.0
    nanos_1h: float = 0.0
    hour: int = 0
    """When they were last decayed, in hours since 1970."""
    requests_1d: float = 0.0
    nanos_1d: float = 0.0

    def learn(self, hour: int, peak: Totals, total: Totals, growth: float) -> None:
        """Take in a closed hour: its largest five minutes, and its total.

        Args:
            hour: hours since 1970.
            peak: the largest five minutes.
            total: the whole hour.
            growth: factor by which a record may grow in an hour, so that the first hour of bulk
                does not make the second one usual.
        """
        decay = 0.5 ** (max(0, hour - self.hour) / _RECORD_HALF_LIFE_HOURS) if self.hour else 1.0
        self.hour = max(self.hour, hour)
        self.requests_5m = raised(self.requests_5m, decay, peak.requests, growth)
        self.nanos_5m = raised(self.nanos_5m, decay, peak.nanos, growth)
        self.requests_1h = raised(self.requests_1h, decay, total.requests, growth)
        self.nanos_1h = raised(self.nanos_1h, decay, total.nanos, growth)

    def learn_day(self, total: Totals, growth: float) -> None:
        """Take in a closed UTC day."""
        self.requests_1d = raised(self.requests_1d, _DAY_DECAY, total.requests, growth)
        self.nanos_1d = raised(self.nanos_1d, _DAY_DECAY, total.nanos, growth)


class Volume(Struct, array_like=True, gc=False):
    """The hourly profile of a key. Bins are float32, so that a key's memory stays small."""

    requests: bytes = _EMPTY
    """Mean requests in the hour, by bin."""
    nanos: bytes = _EMPTY
    """Mean nano-dollars in the hour, by bin."""
    active: bytes = _EMPTY
    """Share of days on which the hour had any request, by bin."""
    weekdays: float = 0.0
    """Hours of weekdays learnt, in days."""
    weekends: float = 0.0
    last: int = 0
    """The last hour learnt."""
    spread: Spread = field(default_factory=Spread)
    spread_nanos: Spread = field(default_factory=Spread)
    records: Records = field(default_factory=Records)
    drift: float = 0.0
    """CUSUM of hourly residuals above the profile, in standard deviations."""
    offset: int | None = None
    """Hours east of UTC, once the key's hours told."""

    def zone(self, record: KeyRecord | None) -> str | None:
        """The key's time zone: its owner's word, or what its hours told; None is UTC."""
        if record is not None and record.timezone:
            return record.timezone
        return None if self.offset is None else name_of(self.offset)

    def expected(self, hour: int, zone: str | None) -> tuple[float, float]:
        """Mean requests and nano-dollars of an hour, shrunk to the day's mean while young."""
        index = bin_of(hour, zone)
        days = self.weekends if index >= 24 else self.weekdays
        return self._shrunk(self.requests, index, days), self._shrunk(self.nanos, index, days)

    def expected_day(self, hour: int, zone: str | None) -> tuple[float, float]:
        """Mean requests and nano-dollars of a day of the kind that an hour belongs to."""
        first = 4 * (bin_of(hour, zone) // 24 * 24)
        return sum(_unpack_day(self.requests, first)), sum(_unpack_day(self.nanos, first))

    def activity(self, hour: int, zone: str | None) -> float:
        """How usual any activity is in an hour, 0 to 1, neighbouring hours included."""
        index = bin_of(hour, zone)
        base = 24 if index >= 24 else 0
        around = (index, base + (index - base + 1) % 24, base + (index - base - 1) % 24)
        values = [_get(self.active, place) for place in around]
        return max(values[0], 0.6 * max(values[1:]))

    def active_days(self, hour: int, zone: str | None) -> tuple[float, float, str]:
        """Share of the known days of a kind on which an hour was active, how many, and the kind."""
        index = bin_of(hour, zone)
        days, kind = (self.weekends, "weekend") if index >= 24 else (self.weekdays, "week")
        return _get(self.active, index), min(days, _MEMORY_DAYS), kind

    def silence(self, since: float, until: float, zone: str | None, enough: float) -> float:
        """Nats of surprise at no request at all in a time, by the share of days with some.

        Args:
            since: Unix seconds; at most `_SILENCE_HOURS_MAX` before `until` are looked at.
            until: Unix seconds.
            zone: the key's.
            enough: nats at which it does not matter how many more there are.
        """
        last = int(until // 3600)
        first = max(int(since // 3600) + 1, last - _SILENCE_HOURS_MAX)
        active = _unpack(self.active)
        nats = 0.0
        for hour in range(first, last + 1):
            part = until / 3600 - last if hour == last else 1.0
            nats -= part * math.log(1.0 - min(_ACTIVE_MAX, active[bin_of(hour, zone)]))
            if nats >= enough:
                break
        return nats

    def always_rests(self, hour: int, zone: str | None) -> bool:
        """Whether the key rests at this time of day, on weekdays and at weekends alike."""
        index = bin_of(hour, zone) % 24
        return _get(self.active, index) < 0.02 and _get(self.active, index + 24) < 0.02

    @property
    def regularity(self) -> float:
        """Share of days on which the key works in an hour in which it works, 0 to 1.

        Near 1 for a service or an office; low where sessions come when they come, and while few
        days are known: whatever happened on one of three days looks regular by a third.
        """
        days = min(max(self.weekdays, self.weekends), _MEMORY_DAYS)
        if days <= 1.0:
            return 0.0
        active = _unpack(self.active)
        share = sum(map(mul, active, active)) / max(sum(active), 1e-9)
        return float(max(0.0, (share - 1.0 / days) / (1.0 - 1.0 / days)))

    @property
    def days_remembered(self) -> float:
        """Days of both kinds that the profile is made of."""
        return min(self.weekdays, _MEMORY_DAYS) + min(self.weekends, _MEMORY_DAYS)

    @property
    def hours_a_day(self) -> float:
        """In how many hours of a weekday the key usually works."""
        return float(sum(_unpack(self.active)[:24]))

    @property
    def busy_hour(self) -> float:
        """Mean requests of the hours in which the key works."""
        requests = _unpack(self.requests)
        active = _unpack(self.active)
        return float(sum(requests) / max(sum(active), 1e-9))

    def learn(
        self,
        hour: int,
        record: KeyRecord | None,
        total: Totals,
        peak: Totals,
        *,
        doubtful: bool = False,
    ) -> None:
        """Take in a closed hour, and as zeros the idle hours before it."""
        zone = self.zone(record)
        if zone is None and hour // 24 > self.last // 24:  # once a day
            self._learn_zone()
            zone = self.zone(record)
        if self.last:
            idle = range(max(self.last + 1, hour - _GAP_HOURS_MAX), hour)
            self._fold([bin_of(each, zone) for each in idle], 0, 0)
        index = bin_of(hour, zone)
        if self.weekdays + self.weekends >= 1.0:
            requests, nanos = self.expected(hour, zone)
            residual = math.log1p(total.requests) - math.log1p(requests)
            # Around its own mean: hours of work lie above a profile in which idle days count, too.
            excess = (residual - self.spread.mean) / self.spread.sigma - _DRIFT_SLACK
            self.drift = min(_DRIFT_MAX, max(0.0, self.drift + excess))
            self.spread.learn_clipped(residual)
            self.spread_nanos.learn_clipped(math.log1p(total.nanos / 1e6) - math.log1p(nanos / 1e6))
        known = self.spread.n >= KNOWN_HOURS
        records = self.records
        self._fold(
            [index],
            min(total.requests, int(_CLIP * records.requests_1h)) if known else total.requests,
            min(total.nanos, int(_CLIP * records.nanos_1h)) if known else total.nanos,
        )
        growth = _GROWTH_IN_DOUBT if doubtful else GROWTH
        records.learn(hour, peak, total, growth if known else math.inf)
        self.last = max(self.last, hour)

    def pass_over(self, hour: int) -> None:
        """Learn nothing of a closed hour: not even that it, or those before it, were idle."""
        if self.last:
            self.last = max(self.last, hour)

    def learn_day(self, total: Totals) -> None:
        """Take in a closed UTC day."""
        self.records.learn_day(total, GROWTH if self.spread.n >= KNOWN_HOURS else math.inf)

    def _learn_zone(self) -> None:
        """Take the middle of a weekday's work for the middle of the day, if it is clear.

        From then on the bins are those of that zone, in which weekends begin at midnight.
        """
        if self.weekdays < _ZONE_DAYS:
            return
        active, requests = _unpack(self.active)[:24], _unpack(self.requests)[:24]
        self.offset = offset_told_by(active, requests, min(self.weekdays, _MEMORY_DAYS))
        if self.offset:
            self._turn(self.offset)

    def move(self, before: str | None, after: str | None, hour: int) -> None:
        """Tell what is known by the clock of another zone, when the key turns out to live there."""
        if before != after and (ahead := hours_between(before, after, hour)):
            self._turn(ahead)

    def _turn(self, hours: int) -> None:
        self.requests, self.nanos, self.active = [
            _turned(bins, hours) for bins in (self.requests, self.nanos, self.active)
        ]

    def _fold(self, indices: Sequence[int], requests: int, nanos: int) -> None:
        if not indices:
            return
        seen = (float(requests), float(nanos), 1.0 if requests else 0.0)
        kept = (self.requests, self.nanos, self.active)
        bins = [array("f", each) for each in kept]
        for index in indices:
            if index >= 24:
                self.weekends += 1 / 24
                days = self.weekends
            else:
                self.weekdays += 1 / 24
                days = self.weekdays
            # Sums of 24ths are not exact: the last hour of a day is still of that day.
            rate = 1.0 / min(max(1.0, math.ceil(days - 1e-6)), _MEMORY_DAYS)
            for each, value in zip(bins, seen, strict=True):
                each[index] += rate * (value - each[index])
        self.requests, self.nanos, self.active = [each.tobytes() for each in bins]

    def _shrunk(self, bins: bytes, index: int, days: float) -> float:
        weekdays, weekends = self.weekdays, self.weekends
        days_all = weekdays + weekends
        if days_all <= 0:
            return 0.0
        values = _unpack(bins)
        # Of a first day, only the hours so far have values.
        hours = sum(values[:24]) * max(1.0, weekdays) + sum(values[24:]) * max(1.0, weekends)
        mean = hours / 24 / days_all
        return float((days * values[index] + mean) / (days + 1.0))


def _turned(bins: bytes, offset: int) -> bytes:
    """The same bins, told by a clock so many hours ahead."""
    values = _unpack(bins)
    return array("f", [values[h // 24 * 24 + (h - offset) % 24] for h in range(BINS)]).tobytes()


def _get(bins: bytes, index: int) -> float:
    return float(_unpack_hour(bins, 4 * index)[0])
