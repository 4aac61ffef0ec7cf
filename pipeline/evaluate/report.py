"""The figures of an evaluation: together, by kind of attack, by kind of benign change."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from msgspec import Struct

from pipeline.evaluate.exposure import Exposure
from pipeline.evaluate.judge import Attack, Judgement


class AttackRow(Struct, kw_only=True):
    """How attacks of one kind (and strength) fared. Shares are in 0 to 1; None: nothing to say."""

    kind: str
    n: int
    detected: int
    recall: float | None
    detect_seconds_median: float | None
    """From the first malicious record to the page, of those detected."""
    detect_seconds_p90: float | None
    lost_usd_median: float | None
    """Spent before the page, of those detected."""
    lost_usd_total: float
    """Spent before the page, or in all where there was none."""
    spent_usd_total: float
    """Spent in all, before a page or after it."""
    cause_accuracy: float | None

    @property
    def lost_share(self) -> float | None:
        """Share of the money that went before a page, or without one."""
        return _share(self.lost_usd_total, self.spent_usd_total)


class ChangeRow(Struct, kw_only=True):
    """How often a kind of benign change paged."""

    kind: str
    n: int
    paged: int


class Report(Struct, kw_only=True):
    """What an evaluation found."""

    overall: AttackRow
    kinds: list[AttackRow]
    strengths: list[AttackRow]
    changes: list[ChangeRow]
    weakest_kind: str | None
    weakest_recall: float | None
    precision: float | None
    """True pages over all pages, each once per key in 24 hours."""
    true_pages: int
    false_pages: int
    false_pages_per_1000_key_weeks: float | None
    benign_changes: int
    benign_changes_paged: int
    benign_changes_paged_share: float | None
    events: int
    keys: int
    key_weeks: float


def summarise(judgement: Judgement, exposure: Exposure) -> Report:
    """All figures."""
    kinds = _group(judgement.attacks, lambda attack: attack.label.kind)
    paged = sum(paged for _, paged in judgement.changes)
    false = len(judgement.false_pages)
    weakest = min(kinds, key=lambda row: (row.recall or 0.0, row.kind), default=None)
    return Report(
        overall=_row("all", judgement.attacks),
        kinds=kinds,
        strengths=_group(judgement.attacks, lambda attack: attack.label.strength or "unstated"),
        changes=_changes(judgement),
        weakest_kind=weakest.kind if weakest else None,
        weakest_recall=weakest.recall if weakest else None,
        precision=_share(judgement.true_pages, judgement.true_pages + false),
        true_pages=judgement.true_pages,
        false_pages=false,
        false_pages_per_1000_key_weeks=_share(false * 1000, exposure.key_weeks),
        benign_changes=len(judgement.changes),
        benign_changes_paged=paged,
        benign_changes_paged_share=_share(paged, len(judgement.changes)),
        events=exposure.events,
        keys=exposure.keys,
        key_weeks=exposure.key_weeks,
    )


def _group(attacks: Iterable[Attack], name: Callable[[Attack], str]) -> list[AttackRow]:
    groups: dict[str, list[Attack]] = defaultdict(list)
    for attack in attacks:
        groups[name(attack)].append(attack)
    return [_row(kind, groups[kind]) for kind in sorted(groups)]


def _row(kind: str, attacks: list[Attack]) -> AttackRow:
    found = [attack for attack in attacks if attack.detected]
    seconds = [s for attack in found if (s := attack.seconds_to_detect) is not None]
    causes = [right for attack in found if (right := attack.cause_right) is not None]
    return AttackRow(
        kind=kind,
        n=len(attacks),
        detected=len(found),
        recall=_share(len(found), len(attacks)),
        detect_seconds_median=_quantile(seconds, 0.5),
        detect_seconds_p90=_quantile(seconds, 0.9),
        lost_usd_median=_quantile([attack.lost_usd for attack in found], 0.5),
        lost_usd_total=sum(attack.lost_usd for attack in attacks),
        spent_usd_total=sum(attack.spent_usd for attack in attacks),
        cause_accuracy=_share(sum(causes), len(causes)),
    )


def _changes(judgement: Judgement) -> list[ChangeRow]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for label, paged in judgement.changes:
        groups[label.kind].append(paged)
    return [
        ChangeRow(kind=kind, n=len(groups[kind]), paged=sum(groups[kind]))
        for kind in sorted(groups)
    ]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _quantile(values: list[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None
