"""What a detector is: one question about one key, answered with evidence.

A detector is a class in a module of its own in this package. It is found by `detectors.discovery`,
tested by the conformance suite with its own examples, and listed in the docs, by being there.
It is pure: it sees a `KeyView` and nothing else, keeps no state of its own outside it, and gives
the same answer for the same view. What it needs remembered belongs into `detectors.baselines`,
where all detectors share it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

from detectors.baselines.history import History
from detectors.baselines.newcomers import Newcomer
from detectors.baselines.slices import Slice, slice_of
from detectors.baselines.totals import Totals, Window
from detectors.baselines.volume import month_of
from detectors.baselines.windows import HourWindow, Windows
from schemas.incident import Cause
from schemas.key_record import KeyRecord


class Trigger:
    """Why a key is looked at: bits. A detector is asked only when one of its triggers fired.

    Plain integers: an `IntFlag` costs a microsecond for each `|`, at every event.
    """

    NONE: Final = 0
    NOVEL: Final = 1
    """Something that the key is not known to use: a source, a client, a model, an outcome."""
    VOLUME: Final = 2
    """More in this minute than is usual for the key."""
    WATCHED: Final = 4
    """The key is watched closely, since something about it was new or strange lately."""
    HOUR: Final = 8
    """The key's first event in a new hour."""
    CONTROL: Final = 16
    """A control record: provider usage, the registry."""


_CONFIDENT_HOURS: Final = 8.0
_YOUNG_CONFIDENCE: Final = 0.4
"""Factor on evidence against a history of no hours; it grows to 1 at so many active hours, over so
many days: on the first ones colleagues turn up and jobs run for the first time."""
_CONFIDENT_DAYS: Final = 3.0
_SETTLED_HOURS: Final = 24.0
_UNSETTLED: Final = 0.25
"""Taken off a key of no hours, and less and less up to so many: its second place, its third tool
and its first long job are still to come."""
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
_UPGRADED_MIN: Final = 2.0
"""Requests of the usual models that must be missing before they count as replaced."""
ALL_TRIGGERS: Final = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR


Subject = Literal["facts", "strangers", "machines", "habits"]
"""Something that is so, somebody who is not the owner, a machine of the owner's that runs wild, or
a key that is not used as it was."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector's answer, before it is weighed."""

    score: float
    """Evidence for abuse in nats, above 0."""
    summary: str
    """One sentence that a person can act on: the number, the usual value, the window."""
    since: float
    """Unix seconds at which what was found began."""
    evidence: dict[str, Any] = field(default_factory=dict)
    causes: Mapping[Cause, float] | None = None
    """What this finding speaks for, where that differs from what the detector's mostly do."""
    p_value: float | None = None
    """How often an honest key shows this much; exp(-score) when None."""


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
        self.zone = record.timezone if record else None
        """The key's IANA zone, when the registry gives one."""
        self.minute = int(now // 60)
        self.hour = int(now // 3600)
        self.day = int(now // 86400)
        """The current minute, hour and UTC day since 1970."""
        self.this_hour = windows.hours.get(self.hour) or HourWindow()
        self.today = windows.days.get(self.day) or Window()
        """The current hour and UTC day so far."""

    @property
    def confidence(self) -> float:
        """Factor on evidence from a history that is still short."""
        history = self.history
        known = min(1.0, history.hours / _CONFIDENT_HOURS, history.days / _CONFIDENT_DAYS)
        young = _YOUNG_CONFIDENCE + (1.0 - _YOUNG_CONFIDENCE) * max(0.0, known)
        return young * (1.0 - _UNSETTLED * max(0.0, 1.0 - history.hours / _SETTLED_HOURS))

    def weight(self, about: Subject) -> float:
        """Factor on evidence against a key of this nature: 1 where nothing is known of it.

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

    @cached_property
    def last_5m(self) -> Totals:
        """The last five minutes."""
        return self.windows.recent(self.minute, 5)

    @cached_property
    def last_15m(self) -> Totals:
        """The last fifteen minutes."""
        return self.windows.recent(self.minute, 15)

    @cached_property
    def kinds_15m(self) -> list[Slice]:
        """The kinds of request in the last fifteen minutes."""
        return [slice_of(token) for token in self.windows.recent_tokens(self.minute, 15)]

    @cached_property
    def sums_15m(self) -> list[tuple[Slice, Totals]]:
        """The last fifteen minutes by kind of request, in the same order."""
        recent = self.windows.recent_slices(self.minute, 15)
        return [(slice_of(token), totals) for token, totals in recent.items()]

    @property
    def month_nanos(self) -> int:
        """Spend of the UTC month so far."""
        month = month_of(self.hour)
        history = self.history
        closed = history.month_nanos if history.month == month else 0
        return closed + sum(
            window.nanos for hour, window in self.windows.hours.items() if month_of(hour) == month
        )

    @cached_property
    def expected(self) -> tuple[float, float]:
        """Requests and nano-dollars that are usual for this hour."""
        return self.history.volume.expected(self.hour, self.zone)

    @cached_property
    def regularity(self) -> float:
        """Share of days on which the key works in an hour in which it works: see `Volume`."""
        return self.history.volume.regularity

    @property
    def is_waking(self) -> bool:
        """Whether the key woke from a long sleep lately: it neither moves nor travels."""
        return bool(self.history.slept) and self.now - self.history.woke < _AWAKE_SECONDS

    @cached_property
    def replaced(self) -> float:
        """How far newcomers took the place of the key's own sources, 0 to 1.

        0: its own sources work on beside them, or nothing can be said yet. 1: they fell silent
        when the newcomers came, as when somebody travels or a service moves.
        """
        newcomers = self.newcomers
        if not newcomers:
            return 0.0
        history = self.history
        if self.is_waking:
            return 0.0
        volume, regularity, replaced = history.volume, self.regularity, 0.0
        # Whoever comes and goes is silent often, and whoever moved does as much as before.
        if history.own_last and regularity:
            enough = _SILENCE_NATS / regularity
            silence = volume.silence(history.own_last, self.now, self.zone, enough)
            replaced = min(1.0, regularity * silence / _SILENCE_NATS)
        moved = max(volume.records.requests_5m, _MOVED_MIN) / max(1, self.foreign_5m.requests)
        first = int(min(each.first for each in newcomers) // 60)
        minutes = min(30, self.minute - first + 1)
        expected = self.expected[0] * minutes / 60.0
        if expected >= _EXPECTED_MIN:
            own = self.windows.recent(self.minute, minutes).requests
            own -= self.windows.recent_foreign(self.minute, minutes).requests
            replaced = max(replaced, 1.0 - own / (0.25 * expected))
        return replaced * min(1.0, moved)

    @cached_property
    def new_models_share(self) -> float:
        """Share of the money of 15 minutes that went into models new to the key."""
        new = sum(
            totals.nanos
            for what, totals in self.sums_15m
            if what.model and not self.history.is_usual_model(what.model)
        )
        return new / max(1, self.last_15m.nanos)

    @cached_property
    def upgraded(self) -> bool:
        """Whether models that are new to the key took the place of its own, as in an upgrade."""
        if self.expected[0] / 4 < _UPGRADED_MIN:
            return False
        if 2 * self.foreign_5m.requests > self.last_5m.requests:
            return False  # what strangers use is nobody's upgrade
        new = old = 0
        for what, totals in self.sums_15m:
            if what.model and self.history.is_usual_model(what.model):
                old += totals.requests
            elif what.model:
                new += totals.requests
        return new > 10 * old

    @property
    def excess_usd_per_hour(self) -> float:
        """The present rate of spend beyond the dearest hour so far."""
        rate, records = self.last_15m.nanos * 4, self.history.volume.records
        return max(0.0, rate - max(records.nanos_1h, self.expected[1])) / 1e9

    @cached_property
    def foreign_5m(self) -> Totals:
        """The part of the last five minutes that came from newcomers."""
        return self.windows.recent_foreign(self.minute, 5)

    @cached_property
    def newcomers(self) -> list[Newcomer]:
        """Sources that are not the key's own and were active in the last half hour."""
        limit = self.now - 1800.0
        return [each for each in self.history.newcomers.values() if each.last >= limit]


class Detector(ABC):
    """One question about one key."""

    name: ClassVar[str]
    """Stable name, as in `signals`."""
    question: ClassVar[str]
    catches: ClassVar[str]
    misses: ClassVar[str]
    advice: ClassVar[str]
    """What a person should do about it."""
    triggers: ClassVar[int] = ALL_TRIGGERS
    causes: ClassVar[Mapping[Cause, float]]
    """The explanations that its evidence speaks for, each with a factor on the score."""
    score_max: ClassVar[float] = 8.0
    """No single kind of evidence weighs more than this."""
    about: ClassVar[Subject] = "habits"
    """What its evidence is about, and so what it is weighed by: see `KeyView.weight`."""

    @abstractmethod
    def judge(self, key: KeyView) -> Finding | None:
        """The answer, or None when there is nothing to say."""
