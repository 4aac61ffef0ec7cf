"""Why a key paged, or why it did not: a replay of its events with every detector overheard."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from detectors.baselines.totals import Totals
from pipeline.accept import Batch, Control
from pipeline.engine import PartitionFold, Rules
from pipeline.engine.witness import Look
from pipeline.message import Message
from pipeline.reconcile.join import Join
from schemas.calibration import Calibration
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
    used: Totals = field(default_factory=Totals)
    first_at: float | None = None
    """Unix seconds of the earliest and the latest event."""
    last_at: float | None = None
    revisions: list[Incident] = field(default_factory=list)
    said: list[Verdict] = field(default_factory=list)
    """What people said about its incidents, in order."""
    heard: dict[str, Heard] = field(default_factory=dict)
    """By detector; silent ones are absent."""
    closest: Look | None = None
    """The strongest that was concluded from what had been heard, unless it was forgiven."""
    kept_quiet: Look | None = None
    """The strongest that would have paged, but for what ended before."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Lines that were left out, by file and reason: of whichever key."""
    silent: tuple[str, ...] = ()
    """Detectors that never had anything to say."""

    @property
    def paged(self) -> bool:
        """Whether a person was woken."""
        return any(revision.severity == "page" for revision in self.revisions)

    def hear(self, look: Look) -> None:
        """Note what the detectors said at one time: the witness of a fold."""
        for each in look.evidence:
            name = each.detector.name
            known = self.heard.get(name)
            if known is None or each.score > known.score:
                self.heard[name] = Heard(name, each.score, look.at, each.finding.summary)
        if look.forgiven_by is None:
            self.closest = _stronger(self.closest, look)
        if look.kept_quiet:
            self.kept_quiet = _stronger(self.kept_quiet, look)


def _stronger(known: Look | None, look: Look) -> Look:
    return look if known is None or look.conclusion.nats > known.conclusion.nats else known


def explain(messages: Iterable[Message], rules: Rules, key_id: str) -> Explanation:
    """Fold the records of one key and note what every detector said about it.

    What other keys did changes nothing about this one, so their events are left out.
    """
    (found,) = explain_each(messages, rules, (key_id,))
    return found


def explain_each(
    messages: Iterable[Message], rules: Rules, key_ids: Sequence[str]
) -> list[Explanation]:
    """The same for several keys of one log, each by itself."""
    listeners = [_Listener(rules, key_id) for key_id in key_ids]
    for message in messages:
        batch = rules.acceptor.accept(message)
        for each in listeners:
            each.take(batch)
    return [each.explained() for each in listeners]


class _Listener:
    """Folds what is about one key."""

    def __init__(self, rules: Rules, key_id: str) -> None:
        self._rules, self._key_id = rules, key_id
        self._found = Explanation(key_id, rules.calibration)
        self._fold = PartitionFold(replace(rules, witness=self._found.hear), partitions=None)
        self._join = Join(partitions=1)

    def take(self, whole: Batch) -> None:
        found, batch = self._found, _about(whole, self._key_id, self._join)
        _count(found, batch)
        found.said += [each for each in batch.controls if isinstance(each, Verdict)]
        found.revisions.extend(self._fold.fold_accepted([batch]).incidents)
        found.refused.update((each.topic, each.reason) for each in batch.dead_letters)

    def explained(self) -> Explanation:
        found, state = self._found, self._fold.state_of(self._key_id)
        found.calibration = self._rules.calibration.of(state.record if state else None)
        found.silent = tuple(d.name for d in self._rules.detectors if d.name not in found.heard)
        return found


def _about(whole: Batch, key_id: str, join: Join) -> Batch:
    batch = Batch(whole.message)
    batch.uses = [
        use for each, use in zip(whole.key_ids, whole.uses, strict=True) if each == key_id
    ]
    batch.key_ids = [key_id] * len(batch.uses)
    batch.controls = [
        each
        for control in whole.controls
        for each in _joined(control, join, whole.message.appended_at)
        if isinstance(each, Calibration) or each.key_id == key_id
    ]
    batch.dead_letters = whole.dead_letters
    return batch


def _joined(
    control: Control, join: Join, at: float
) -> Iterable[Calibration | KeyRecord | Verdict | JoinedUsage]:
    """A bill comes with its key; one that several keys share is left out, as those keys are."""
    if isinstance(control, UseQuestion):
        return
    if isinstance(control, KeyRecord):
        join.register(control, at)
    if not isinstance(control, JoinedUsage):
        yield control
        return
    for each in join.route([control]):
        if isinstance(each, JoinedUsage):
            yield each


def _count(found: Explanation, batch: Batch) -> None:
    for use in batch.uses:
        found.used.add(Totals(1, nanos=use.nanos, unpriced=0 if use.kind.priced else 1))
        found.first_at = min(use.at, found.first_at or use.at)
        found.last_at = max(use.at, found.last_at or use.at)
