"""What a detector sees: a key at one moment, and what is usual for it.

What nearly every look at a key asks is worked out at once, and the rest when somebody asks.
"""

from typing import Final, Literal

from detectors.baselines.history import History
from detectors.baselines.newcomers import STRANGE_NATS, Newcomer
from detectors.baselines.slices import Slice, slice_of
from detectors.baselines.totals import Totals, Window
from detectors.baselines.windows import HourWindow, Windows
from detectors.baselines.zones import month_of
from detectors.worth import guess
from schemas.key_record import KeyRecord

_CONFIDENT_HOURS: Final = 8.0
_YOUNG_CONFIDENCE: Final = 0.4
"""Factor on evidence against a history of no hours; it grows to 1 at so many active hours, over so
many days: on the first ones colleagues turn up and jobs run for the first time."""
_CONFIDENT_DAYS: Final = 3.0
_SETTLED_HOURS: Final = 24.0
_UNSETTLED: Final = 0.25
"""Taken off a key of no hours, and less and less up to so many: its second place, its third tool
and its first long job are still to come."""
_IDLE_DAY_HOURS: Final = 1.0
"""Active hours that a day of sleep counts for."""
_MOVED_MIN: Final = 10.0
"""Requests in five minutes that anybody who moved may make."""
_EXPECTED_MIN: Final = 3.0
"""Requests that must be expected before their absence says something."""
_AWAKE_SECONDS: Final = 6 * 3600.0
_SILENCE_NATS: Final = 4.0
"""Surprise at the silence of the key's own sources at which they count as replaced."""
_SPREAD_USUAL: Final = 0.7
_SPREAD_MIN: Final = 0.5
_SPREAD_MAX: Final = 1.5
_SPREAD_EASE: Final = 0.5
"""What is unusual for a key says the less, the more its hours differ from what they usually are:
the standard deviation of their logarithm, within bounds."""
_UNREST_EASE: Final = 0.05
"""Each nat that the key's earlier days showed takes so much off."""
_IN_HOUSE: Final = 0.5
_OWN_REFUSALS: Final = 0.5
"""What refusals count that no stranger can have caused."""

Subject = Literal["facts", "strangers", "machines", "habits"]
"""Something that is so, somebody who is not the owner, a machine of the owner's that runs wild, or
a key that is not used as it was."""


class KeyView:
    """A key at the moment of one of its events: what it does, and what is usual for it."""

    def __init__(
        self,
        key_id: str,
        now: float,
        history: History,
        windows: Windows,
        record: KeyRecord | None = None,
    ) -> None:
        self.key_id = key_id
        self.now = now
        """Event time in Unix seconds: the key's own clock."""
        self.history = history
        self.windows = windows
        self.record = record
        self.zone = history.volume.zone(record)
        """The key's time zone, when the registry gives one or its hours told; None is UTC."""
        self.minute = int(now // 60)
        self.hour = int(now // 3600)
        self.day = int(now // 86400)
        """The current minute, hour and UTC day since 1970."""
        self.this_hour = windows.hours.get(self.hour) or HourWindow()
        self.today = windows.days.get(self.day) or Window()
        """The current hour and UTC day so far."""
        self.last_5m = windows.recent(self.minute, 5)
        self.last_15m = windows.recent(self.minute, 15)
        self.expected = history.volume.expected(self.hour, self.zone)
        """Requests and nano-dollars that are usual for this hour."""
        quiet = now - 1800.0
        self.newcomers = [each for each in history.newcomers.values() if each.last >= quiet]
        """Sources that are not the key's own and were active in the last half hour."""
        self._foreign_5m: Totals | None = None
        self._kinds_15m: list[Slice] | None = None
        self._sums_15m: list[tuple[Slice, Totals]] | None = None
        self._regularity: float | None = None
        self._replaced: float | None = None

    @property
    def confidence(self) -> float:
        """Factor on evidence from a history that is still short."""
        hours, days = self.history.hours, self.history.days
        # That it lay idle is known, too, of a key that somebody else wakes.
        if self.is_waking and (self.newcomers or not hours):
            idle = self.history.slept / 86_400.0
            hours, days = hours + _IDLE_DAY_HOURS * idle, days + idle
        known = min(1.0, hours / _CONFIDENT_HOURS, days / _CONFIDENT_DAYS)
        young = _YOUNG_CONFIDENCE + (1.0 - _YOUNG_CONFIDENCE) * max(0.0, known)
        return young * (1.0 - _UNSETTLED * max(0.0, 1.0 - hours / _SETTLED_HOURS))

    def weight(self, about: Subject) -> float:
        """Factor on evidence against a key of this nature: 1 where nothing is known of it.

        At most 1.08: of a key whose hours hardly differ, habits say a little more.

        Facts are facts. Of everything else, what earlier days showed of its kind takes some off;
        and habits are the less telling the more the key's hours differ.
        """
        if about == "facts":
            return 1.0
        history = self.history
        unrest = history.visits if about == "strangers" else history.unrest
        restful = 1.0 - _UNREST_EASE * unrest.before(self.hour)
        if about != "habits":
            return restful
        spread = min(max(history.volume.spread.sigma, _SPREAD_MIN), _SPREAD_MAX)
        return restful * (1.0 + _SPREAD_EASE * _SPREAD_USUAL) / (1.0 + _SPREAD_EASE * spread)

    @property
    def foreign_5m(self) -> Totals:
        """The part of the last five minutes that came from newcomers who are strange."""
        if self._foreign_5m is None:
            self._foreign_5m = self.windows.recent_foreign(self.minute, 5)
        return self._foreign_5m

    @property
    def is_by_newcomers(self) -> bool:
        """Whether most of the last five minutes, or of their cost, is `foreign_5m`.

        Newcomers who are not strange, another address of a key that has many, do not count.
        """
        foreign, now = self.foreign_5m, self.last_5m
        return 2 * foreign.requests > now.requests or 2 * foreign.nanos > now.nanos

    @property
    def kinds_15m(self) -> list[Slice]:
        """The kinds of request in the last fifteen minutes."""
        if self._kinds_15m is None:
            recent = self.windows.recent_tokens(self.minute, 15)
            self._kinds_15m = [slice_of(token) for token in recent]
        return self._kinds_15m

    @property
    def sums_15m(self) -> list[tuple[Slice, Totals]]:
        """The last fifteen minutes by kind of request, in the same order."""
        if self._sums_15m is None:
            recent = self.windows.recent_slices(self.minute, 15)
            self._sums_15m = [(slice_of(token), totals) for token, totals in recent.items()]
        return self._sums_15m

    @property
    def month_nanos(self) -> int:
        """Spend of the UTC month so far."""
        closed = self.history.month_nanos if self.history.month == month_of(self.hour) else 0
        return closed + sum(window.nanos for window in self._open_of_month())

    @property
    def month_guessed(self) -> int:
        """What of that month has no price, guessed."""
        closed = self.history.month_guessed if self.history.month == month_of(self.hour) else 0
        return closed + sum(guess(window) for window in self._open_of_month())

    def _open_of_month(self) -> list[HourWindow]:
        month = month_of(self.hour)
        return [each for hour, each in self.windows.hours.items() if month_of(hour) == month]

    @property
    def regularity(self) -> float:
        """Share of days on which the key works in an hour in which it works: see `Volume`."""
        if self._regularity is None:
            self._regularity = self.history.volume.regularity
        return self._regularity

    def is_home(self, country: str) -> bool:
        """Whether it is a country that the key is used from, or that its owner lists."""
        allowed = self.record is not None and self.record.allows(country)
        return allowed or self.history.countries.knows(country)

    @property
    def is_in_house(self) -> bool:
        """Whether all newcomers are at the company's own addresses."""
        return bool(self.newcomers) and all(each.is_in_house for each in self.newcomers)

    @property
    def newcomers_weight(self) -> float:
        """Factor on evidence of how much newcomers do, and with what.

        In-house, machines are set up anew, jobs move, and somebody tries an admin page.
        """
        return _IN_HOUSE if self.is_in_house else 1.0

    @property
    def strangers(self) -> list[Newcomer]:
        """Newcomers at a strange place; of the others, only what they bring along is strange."""
        return [each for each in self.newcomers if each.nats >= STRANGE_NATS]

    @property
    def is_among_its_own(self) -> bool:
        """Whether only known addresses are at work; of a key without any nobody knows."""
        return not self.newcomers and bool(self.history.prefixes.values)

    @property
    def refusals_weight(self) -> float:
        """Factor on evidence about refusals.

        Where only known addresses and clients are at work, the owner's program was given wrong
        models or wrong parameters.
        """
        known = self.history.clients
        if not self.is_among_its_own:
            return 1.0
        is_own = all(known.knows(what.client) for what in self.kinds_15m if what.client)
        return _OWN_REFUSALS if is_own else 1.0

    @property
    def is_waking(self) -> bool:
        """Whether the key woke from a long sleep lately: it neither moves nor travels."""
        return bool(self.history.slept) and self.now - self.history.woke < _AWAKE_SECONDS

    @property
    def replaced(self) -> float:
        """How far newcomers took the place of the key's own sources, 0 to 1.

        0: its own sources work on beside them, or nothing can be said yet. 1: they fell silent
        when the newcomers came, as when somebody travels or a service moves.
        """
        if not self.newcomers or self.is_waking:
            return 0.0
        if self._replaced is None:
            self._replaced = self._how_far_replaced()
        return self._replaced

    def _how_far_replaced(self) -> float:
        history = self.history
        volume, regularity, replaced = history.volume, self.regularity, 0.0
        # Whoever comes and goes is silent often, and whoever moved does as much as before.
        if history.own_last and regularity:
            enough = _SILENCE_NATS / regularity
            silence = volume.silence(history.own_last, self.now, self.zone, enough)
            replaced = min(1.0, regularity * silence / _SILENCE_NATS)
        moved = max(volume.records.requests_5m, _MOVED_MIN) / max(1, self.foreign_5m.requests)
        first = int(min(each.first for each in self.newcomers) // 60)
        minutes = min(30, self.minute - first + 1)
        expected = self.expected[0] * minutes / 60.0
        if expected >= _EXPECTED_MIN:
            own = self.windows.recent(self.minute, minutes).requests
            own -= self.windows.recent_foreign(self.minute, minutes).requests
            replaced = max(replaced, 1.0 - own / (0.25 * expected))
        return replaced * min(1.0, moved)

    def first_use(self, since: float) -> float:
        """When somebody used the key first from a time on, as well as the windows can tell.

        Where most of the last five minutes is strange newcomers' work, it is about newcomers alone.
        """
        foreign = self.is_by_newcomers
        first = self.windows.first_active(since, self.minute, foreign=foreign)
        came = [each.first for each in self.newcomers if each.first >= since] if foreign else []
        return min([first, *came])

    @property
    def first_use_today(self) -> float:
        """The same on the current UTC day; of hours that are closed, those with any cost."""
        hours = range(24 * self.day, self.hour)
        first = next((hour for hour in hours if self.windows.spend_of(hour)), self.hour)
        return self.first_use(3600.0 * first)

    @property
    def excess_usd_per_hour(self) -> float:
        """The present rate of spend beyond the dearest hour so far."""
        rate, records = self.last_15m.nanos * 4, self.history.volume.records
        return max(0.0, rate - records.nanos_1h) / 1e9
