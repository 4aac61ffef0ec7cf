"""Many keys that show the same at once: which incidents share one message. Pure, in event time.

A new egress address, a gateway's new version or a stolen list of keys changes a whole fleet at
once. The first few incidents that have something in common are told alone, at once; from then on
the others are gathered in one notice. Nothing is dropped: a notice names its keys, and an incident
whose own evidence would page without what all share is told alone, until there are many of those
as well: they open a notice of their own.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self, get_args

from msgspec import Struct

from detectors.contract import Novelty
from detectors.discovery import detector_named
from detectors.fusion import fused
from schemas.fields import epoch
from schemas.incident import SEVERITIES, Cause, Incident, Severity, Signal

SHARED_MIN: Final = 5
"""Keys with the same new source, client or model from which there is a notice."""
ALIKE_MIN: Final = 20
"""The same for keys that have only the cause and the strongest detector in common."""
FORM_SECONDS: Final = 3600.0
"""Within this time of one another."""
STAY_SECONDS: Final = 6 * 3600.0
"""A notice that gathered nothing for so long takes no more."""
MEMBERS_MAX: Final = 500
"""Incidents in one notice; beyond it another is opened."""
OPEN_MAX: Final = 100
"""Notices that may gather more; beyond it, the one that gathered longest ago takes no more."""
_RECENT_MAX: Final = 5000
_ALIKE: Final = "alike"


class Member(Struct, array_like=True):
    """An incident in a notice."""

    key_id: str
    cause: Cause
    severity: Severity
    spend_usd: float
    burn_usd_per_hour: float
    risk: float
    open: bool = True
    unseen_usd: float = 0.0
    """Billed, and seen by no gateway."""


class Fleet(Struct, omit_defaults=True, kw_only=True):
    """What a notice gathers."""

    trait: str
    """What the keys have in common: `kind=value`."""
    detectors: list[str]
    """Whose evidence most of the first keys showed: it says nothing about one key."""
    beside: list[str]
    """Incidents of this kind that are told in other messages …"""
    beside_keys: list[str] = []
    """… and the key of each; a notice of an earlier release lacks those of its first."""
    since: float
    """Unix seconds of the first evidence, and of the last incident that came."""
    last_at: float
    members: dict[str, Member] = {}
    """By incident."""
    revision: int = 0

    @property
    def keys(self) -> int:
        """Keys that show it, those that other messages tell of included."""
        return len(self.beside) - len(self.beside_keys) + len(self.key_ids)

    @property
    def key_ids(self) -> set[str]:
        """Their ids, as far as they are known."""
        return {*self.beside_keys, *(each.key_id for each in self.members.values())}

    @property
    def unseen_usd(self) -> float:
        """What went past the gateway: as of `spend_usd`, the sum of its incidents."""
        return round(sum(each.unseen_usd for each in self.members.values()), 6)

    def take(self, incident: Incident, *, over: bool) -> None:
        """Add an incident, or what became of it."""
        self.members[incident.incident_id] = Member(
            key_id=incident.key_id,
            cause=incident.cause,
            severity=incident.severity,
            spend_usd=incident.spend_usd,
            burn_usd_per_hour=incident.burn_usd_per_hour,
            risk=incident.risk,
            open=not over,
            unseen_usd=incident.unseen_usd or 0.0,
        )
        self.since = min(self.since, epoch(incident.opened_at))
        self.last_at = max(self.last_at, epoch(incident.detected_at))
        self.revision += 1

    def drop(self, incident_id: str) -> None:
        """Leave out an incident that another message tells of from now on."""
        member = self.members.pop(incident_id, None)
        if member is not None:
            self.beside.append(incident_id)
            self.beside_keys.append(member.key_id)
            self.revision += 1

    def incident(self, notice_id: str) -> Incident:
        """All of them in the shape of one, by which it is paged, moved and answered."""
        members = self.members.values()
        causes = [each.cause for each in members] or ["leaked"]
        return Incident(
            incident_id=notice_id,
            revision=self.revision,
            key_id=notice_id,
            status="open" if any(each.open for each in members) else "resolved",
            severity=max((each.severity for each in members), key=SEVERITIES.index, default="info"),
            cause=max(sorted(set(causes)), key=causes.count),
            risk=max((each.risk for each in members), default=0.0),
            opened_at=self.since,
            detected_at=self.last_at,
            spend_usd=round(sum(each.spend_usd for each in members), 6),
            baseline_usd=0.0,
            burn_usd_per_hour=round(sum(each.burn_usd_per_hour for each in members), 6),
        )


class _Told(NamedTuple):
    """An incident with a message of its own."""

    incident_id: str
    key_id: str
    opened_at: float
    detected_at: float
    traits: list[str]
    detectors: set[str]

    @classmethod
    def of(cls, incident: Incident) -> Self:
        return cls(
            incident.incident_id,
            incident.key_id,
            epoch(incident.opened_at),
            epoch(incident.detected_at),
            traits(incident),
            {each.detector for each in incident.signals},
        )


class Storms:
    """What was told lately, and which notices are open."""

    def __init__(self) -> None:
        self._recent: dict[str, _Told] = {}
        self._open: dict[str, Fleet] = {}

    def told(self, incident: Incident) -> None:
        """Note an incident that has a message of its own, or its next revision."""
        self._recent.pop(incident.incident_id, None)
        self._recent[incident.incident_id] = _Told.of(incident)
        if len(self._recent) > _RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def gathering(self, notice_id: str, fleet: Fleet, *, answered: bool) -> None:
        """Note a notice as it is now; one that a person judged takes no more incidents."""
        if answered or len(fleet.members) >= MEMBERS_MAX:
            self._open.pop(notice_id, None)
        else:
            self._open[notice_id] = fleet
        if len(self._open) > OPEN_MAX:
            del self._open[min(self._open, key=lambda each: self._open[each].last_at)]

    def place(self, incident: Incident) -> tuple[str, Fleet] | None:
        """The notice that an incident belongs to, perhaps a new one; None: it is told alone."""
        asked = _Told.of(incident)
        for notice_id, fleet in self._open.items():
            late = abs(asked.detected_at - fleet.last_at) > STAY_SECONDS
            joins = fleet.trait in asked.traits and not late
            if joins and not stands_out(incident, fleet.detectors):
                return notice_id, fleet
        for trait in asked.traits:
            formed = self._formed(trait, asked)
            if formed is not None and not stands_out(incident, formed.detectors):
                return _notice_id(trait, incident), formed
        return None

    def _formed(self, trait: str, asked: _Told) -> Fleet | None:
        others = {
            each.key_id: each
            for each in self._recent.values()
            if abs(each.detected_at - asked.detected_at) <= FORM_SECONDS
            and each.key_id != asked.key_id
            and trait in each.traits
        }
        wanted = ALIKE_MIN if trait.startswith(_ALIKE) else SHARED_MIN
        if len(others) + 1 < wanted:
            return None
        beside = sorted(others.values(), key=lambda each: each.incident_id)
        first = [*beside, asked]
        return Fleet(
            trait=trait,
            detectors=_common(first),
            beside=[each.incident_id for each in beside],
            beside_keys=[each.key_id for each in beside],
            since=min(each.opened_at for each in first),
            last_at=asked.detected_at,
        )


def traits(incident: Incident) -> list[str]:
    """What an incident may have in common with others, from the narrowest to the widest."""
    found = [each for signal in incident.signals for each in _novelties(signal)]
    found.sort(key=lambda each: _WIDTHS.index(each[0]))
    strongest = max(incident.signals, key=lambda each: (each.score, each.detector), default=None)
    name = "" if strongest is None else strongest.detector
    return [
        *dict.fromkeys(f"{kind}={value}" for kind, value in found),
        f"{_ALIKE}={incident.cause} {name}",
    ]


_WIDTHS: Final = get_args(Novelty)


def _novelties(signal: Signal) -> list[tuple[Novelty, str]]:
    detector = detector_named(signal.detector)
    return [] if detector is None else detector.novelties(signal.evidence)


def _common(first: Sequence[_Told]) -> list[str]:
    names = [name for each in first for name in each.detectors]
    return sorted(name for name in set(names) if 2 * names.count(name) >= len(first))


def stands_out(incident: Incident, common: Iterable[str]) -> bool:
    """Whether an incident would page by what it does not share with the others."""
    own = fused([each.score for each in incident.signals if each.detector not in common])
    whole = fused([each.score for each in incident.signals])
    if whole <= 0.0:
        return False
    # risk is a half at the threshold of a page, whatever the calibration: `fusion.risk_of`
    pages = math.sqrt(incident.risk / (1.0 - incident.risk)) if incident.risk < 1.0 else math.inf
    return pages * own >= whole


def _notice_id(trait: str, incident: Incident) -> str:
    # with the revision: who opened a notice may leave it, and open one for those that are worse
    text = f"{trait}\n{incident.incident_id}\n{incident.revision}"
    return f"fleet-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
