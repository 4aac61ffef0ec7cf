"""The rules: which page detects which attack, and which page is false.

An attack is detected by the first page on its key from its start to an hour after its end. A page
on a key outside every such time is false, counted once per key in 24 hours. A benign change has
paged when a false page falls into its time (with the same hour).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.evaluate.pages import Page, once_a_day
from schemas.fields import epoch
from schemas.label import Label

GRACE_SECONDS = 3600.0
"""A page this long after the end of an attack still detects it."""


@dataclass(slots=True)
class Attack:
    """A malicious label and the page that detected it."""

    label: Label
    page: Page | None = None
    lost_usd: float = 0.0
    """Spent before the page, or in all when there was none."""
    spent_usd: float = 0.0
    """Spent in all: the attack's own end cuts it short, no page does."""

    @property
    def detected(self) -> bool:
        """Whether somebody was paged in time."""
        return self.page is not None

    @property
    def seconds_to_detect(self) -> float | None:
        """From the first record that shows the attack to the page."""
        if self.page is None:
            return None
        visible = self.label.visible_at or self.label.started_at
        return max(0.0, self.page.at - epoch(visible))

    @property
    def cause_right(self) -> bool | None:
        """Whether the page named the cause; None when there is nothing to compare."""
        if self.page is None or self.page.cause is None or self.label.cause is None:
            return None
        return self.page.cause in (self.label.cause, *(self.label.accepted_causes or ()))


@dataclass(slots=True)
class Judgement:
    """Everything that was right and wrong about the pages."""

    attacks: list[Attack] = field(default_factory=list)
    changes: list[tuple[Label, bool]] = field(default_factory=list)
    """Benign changes, and whether each paged."""
    false_pages: list[Page] = field(default_factory=list)
    """Once per key in 24 hours."""
    true_pages: int = 0
    """Pages on attacks, counted in the same way."""


def judge(pages: Iterable[Page], labels: Iterable[Label]) -> Judgement:
    """Hold the pages against the labels."""
    by_key: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_key[page.key_id].append(page)
    for of_key in by_key.values():
        of_key.sort(key=lambda page: page.at)
    malicious: dict[str, list[Label]] = defaultdict(list)
    judgement = Judgement()
    benign: list[Label] = []
    for label in labels:
        if label.malicious:
            malicious[label.key_id].append(label)
            judgement.attacks.append(Attack(label, _first(by_key[label.key_id], label)))
        else:
            benign.append(label)
    false: dict[str, list[Page]] = {}
    for key_id, of_key in by_key.items():
        attacks = malicious.get(key_id, [])
        false[key_id] = [p for p in of_key if not any(covers(a, p.at) for a in attacks)]
        true = [p.at for p in of_key if any(covers(a, p.at) for a in attacks)]
        judgement.true_pages += len(once_a_day(true))
        counted = set(once_a_day(p.at for p in false[key_id]))
        judgement.false_pages += {p.at: p for p in false[key_id] if p.at in counted}.values()
    judgement.changes = [(label, _paged(label, false.get(label.key_id, []))) for label in benign]
    return judgement


def covers(label: Label, at: float) -> bool:
    """Whether a moment belongs to a label's time."""
    return epoch(label.started_at) <= at <= epoch(label.ended_at) + GRACE_SECONDS


def loss(label: Label, until: float | None) -> float | None:
    """Dollars that an attack had spent by a moment (None: in all), when its label knows."""
    if label.malicious_spend is None:
        return None
    if until is None:
        return label.malicious_spend[-1][1] if label.malicious_spend else 0.0
    elapsed = until - epoch(label.started_at)
    place = bisect_right(label.malicious_spend, elapsed, key=lambda point: point[0])
    return label.malicious_spend[place - 1][1] if place else 0.0


def _first(of_key: list[Page], label: Label) -> Page | None:
    return next((page for page in of_key if covers(label, page.at)), None)


def _paged(label: Label, false: list[Page]) -> bool:
    return any(covers(label, page.at) for page in false)
