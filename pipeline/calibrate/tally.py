"""How much evidence each key of a history showed, and for how long it was watched."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain

from pipeline.accept import Batch
from pipeline.engine.witness import Look
from pipeline.evaluate.exposure import WEEK_SECONDS
from pipeline.evaluate.pages import DAY_SECONDS, once_a_day, pages
from pipeline.replay.run import Results
from schemas.key_record import KeyRecord
from schemas.spend_window import SpendWindow

HOUR_SECONDS = 3600.0


@dataclass(slots=True)
class Watched:
    """The time in which a key was seen."""

    first: float
    last: float
    """Unix seconds of the earliest and the latest event."""
    day: int = 0
    days: int = 0
    """UTC days with events."""

    def see(self, at: float) -> None:
        """Note an event."""
        self.first, self.last = min(self.first, at), max(self.last, at)
        day = int(at // DAY_SECONDS)
        if day > self.day:
            self.day = day
            self.days += 1


@dataclass(slots=True)
class Tally:
    """An output of a replay, and the witness of its rules."""

    watched: dict[str, Watched] = field(default_factory=dict)
    peaks: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    """By key and hour: the most evidence at one time, in nats."""
    scores: dict[str, dict[tuple[str, int], float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By detector, key and day: the highest score."""
    paged: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By key: the times of revisions that page."""
    environments: dict[str, str | None] = field(default_factory=dict)
    """By key, where the registry has it: what its latest entry says."""

    def take(self, batches: Sequence[Batch], results: Results) -> None:
        """Note who was seen when, who belongs where, and who paged."""
        for control in chain.from_iterable(batch.controls for batch in batches):
            if isinstance(control, KeyRecord):
                self.environments[control.key_id] = control.environment
        for batch in batches:
            for key_id, use in zip(batch.key_ids, batch.uses, strict=True):
                seen = self.watched.get(key_id)
                if seen is None:
                    seen = self.watched[key_id] = Watched(use.at, use.at)
                seen.see(use.at)
        for page in pages(results.incidents):
            self.paged[page.key_id].append(page.at)

    def windows(self, rows: list[SpendWindow]) -> None:
        """Totals are of no interest here."""

    def hear(self, look: Look) -> None:
        """Note what the detectors said at one time, unless it was forgiven."""
        if look.forgiven_by is not None:
            return
        hour, day = int(look.at // HOUR_SECONDS), int(look.at // DAY_SECONDS)
        peaks, key_day = self.peaks[look.key_id], (look.key_id, day)
        # Money at stake makes a page easier, and pages in vain make it harder.
        eased = look.page_usually_takes - look.page_takes - look.lively
        peaks[hour] = max(peaks.get(hour, 0.0), look.conclusion.nats + eased)
        for each in look.evidence:
            scores = self.scores[each.detector.name]
            scores[key_day] = max(scores.get(key_day, 0.0), each.score)

    def key_weeks(self, keys: Collection[str]) -> float:
        """Sum over keys of the time from the first to the last event."""
        seen = (self.watched[key] for key in keys if key in self.watched)
        return sum(each.last - each.first for each in seen) / WEEK_SECONDS

    def key_days(self, keys: Collection[str]) -> int:
        """Sum over keys of the UTC days with events."""
        return sum(self.watched[key].days for key in keys if key in self.watched)

    def pages_at(self, nats: float, keys: Collection[str]) -> int:
        """How often keys showed so much, counted once per key in 24 hours."""
        return sum(
            len(once_a_day(hour * HOUR_SECONDS for hour, peak in peaks.items() if peak >= nats))
            for key in keys
            if (peaks := self.peaks.get(key)) is not None
        )

    def pages(self, keys: Collection[str]) -> int:
        """How often keys paged, counted in the same way."""
        return sum(len(once_a_day(self.paged.get(key, ()))) for key in keys)
