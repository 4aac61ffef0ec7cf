"""Why a key paged, or why it did not: a replay of its events with every detector overheard."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from detectors.contract import Detector, Finding, KeyView
from detectors.fusion import Conclusion, Evidence, conclude, weighed
from pipeline.accept import Batch, Control
from pipeline.engine import PartitionFold, Rules
from pipeline.message import Message
from pipeline.reconcile.join import Join
from schemas.calibration import Calibration
from schemas.fields import to_dollars
from schemas.gateway_use import UseQuestion
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.provider_usage import JoinedUsage
from schemas.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Heard:
    """The strongest that a detector ever had to say about the key."""

    detector: str
    score: float
    """Nats, as fusion takes them."""
    at: float
    """Unix seconds."""
    summary: str


@dataclass(slots=True)
class Explanation:
    """What was seen of a key, what was concluded, and how close it came to a page."""

    key_id: str
    calibration: Calibration
    """What the key was judged by: that of its cohort."""
    events: int = 0
    spend_usd: float = 0.0
    first_at: float | None = None
    """Unix seconds of the earliest and the latest event."""
    last_at: float | None = None
    revisions: list[Incident] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)
    """By detector; silent ones are absent."""
    closest: Conclusion | None = None
    """The strongest conclusion from what was heard at one moment."""
    closest_at: float | None = None
    silent: tuple[str, ...] = ()
    """Detectors that never had anything to say."""

    @property
    def paged(self) -> bool:
        """Whether a person was woken."""
        return any(revision.severity == "page" for revision in self.revisions)


def explain(messages: Iterable[Message], rules: Rules, key_id: str) -> Explanation:
    """Fold the records of one key and note what every detector said about it.

    What other keys did changes nothing about this one, so their events are left out.
    """
    found = Explanation(key_id, rules.calibration)
    ear = _Ear(found)
    detectors = [_overheard(detector, ear) for detector in rules.detectors]
    fold = PartitionFold(replace(rules, detectors=detectors), partitions=None)
    join = Join(partitions=1)
    for message in messages:
        batch = _about(rules.acceptor.accept(message), key_id, join)
        _count(found, batch)
        found.revisions.extend(fold.fold_accepted([batch]).incidents)
    ear.conclude()
    found.silent = tuple(d.name for d in rules.detectors if d.name not in found.heard)
    return found


def _about(batch: Batch, key_id: str, join: Join) -> Batch:
    batch.uses = [
        use for each, use in zip(batch.key_ids, batch.uses, strict=True) if each == key_id
    ]
    batch.key_ids = [key_id] * len(batch.uses)
    batch.controls = [
        each
        for control in batch.controls
        for each in _joined(control, join)
        if isinstance(each, Calibration) or each.key_id == key_id
    ]
    return batch


def _joined(
    control: Control, join: Join
) -> Iterable[Calibration | KeyRecord | Verdict | JoinedUsage]:
    """A bill comes with its key; one that several keys share is left out, as those keys are."""
    if isinstance(control, UseQuestion):
        return
    if isinstance(control, KeyRecord):
        join.register(control)
    if not isinstance(control, JoinedUsage):
        yield control
        return
    for each in join.route([control]):
        if isinstance(each, JoinedUsage):
            yield each


def _count(found: Explanation, batch: Batch) -> None:
    for use in batch.uses:
        found.events += 1
        found.spend_usd += to_dollars(use.nanos)
        found.first_at = min(use.at, found.first_at or use.at)
        found.last_at = max(use.at, found.last_at or use.at)


class _Ear:
    """Hears findings; those of one moment are weighed together."""

    def __init__(self, found: Explanation) -> None:
        self._found = found
        self._fleet = found.calibration
        self._now = 0.0
        self._evidence: list[Evidence] = []

    def hear(self, view: KeyView, evidence: Evidence) -> None:
        if view.now != self._now:
            self.conclude()
            self._now = view.now
            self._found.calibration = self._fleet.of(view.record)
        self._evidence.append(evidence)
        name, finding = evidence.detector.name, evidence.finding
        known = self._found.heard.get(name)
        if known is None or evidence.score > known.score:
            self._found.heard[name] = Heard(name, evidence.score, view.now, finding.summary)

    def conclude(self) -> None:
        """Weigh what was heard at the last moment."""
        if not self._evidence:
            return
        conclusion = conclude(self._evidence, self._found.calibration)
        if self._found.closest is None or conclusion.nats > self._found.closest.nats:
            self._found.closest, self._found.closest_at = conclusion, self._now
        self._evidence = []


class _Overheard:
    """A detector whose answers are heard on their way."""

    def __init__(self, detector: Detector, ear: _Ear) -> None:
        self._detector = detector
        self._ear = ear

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the detector has
        return getattr(self._detector, name)

    def judge(self, key: KeyView) -> Finding | None:
        finding = self._detector.judge(key)
        if finding is not None:
            self._ear.hear(key, weighed(self._detector, finding, key))
        return finding


def _overheard(detector: Detector, ear: _Ear) -> Detector:
    # It has everything that a detector has, which the type checker cannot see.
    return cast("Detector", _Overheard(detector, ear))
