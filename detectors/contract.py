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
from typing import Any, ClassVar, Final, Literal

from detectors.key_view import KeyView, Subject
from schemas.incident import Cause

__all__ = ["ALL_TRIGGERS", "Detector", "Finding", "KeyView", "Novelty", "Subject", "Trigger"]

Novelty = Literal["prefix", "client", "model", "network", "country"]
"""Kinds of things that can be new about a key, from the narrowest to the widest."""


class Trigger:
    """Why a key is looked at: bits. A detector is asked only when one of its triggers fired.

    Plain integers: an `IntFlag` costs a microsecond for each `|`, at every event.
    """

    NONE: Final = 0
    NOVEL: Final = 1
    """A source, a client or a model that the key is not known to use, a request that was not let in
    (401, 403, 404, revoked), or the first from a browser or an app: `History.is_novel`.

    A new operation, a 400 or a 429 is none of it.
    """
    VOLUME: Final = 2
    """More in this minute than is usual for the key."""
    WATCHED: Final = 4
    """The key is watched closely, since something about it was new or strange lately."""
    HOUR: Final = 8
    """The key's first event in a new hour."""
    CONTROL: Final = 16
    """A control record that brings news of the key's use: a bill."""


ALL_TRIGGERS: Final = Trigger.NOVEL | Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR
"""Whatever the key's own events bring; `CONTROL`, which bills bring, is asked for by name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector's answer, before it is weighed."""

    score: float
    """Evidence for abuse in nats, above 0."""
    summary: str
    """One sentence that a person can act on: the number, the usual value, the window."""
    since: float
    """Unix seconds at which what was found began, or the window in which it was."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """The numbers behind the summary, JSON types only; people and tools read it.

    Some names have a meaning wherever they stand: `unseen_usd` is dollars that no gateway saw and
    is told beside the spend; `unpriced_requests` is set by the engine; `served`, of a detector that
    is `about_dead_keys`, is requests that a gateway let through although the key was revoked.
    """
    causes: Mapping[Cause, float] | None = None
    """What this finding speaks for, where that differs from what the detector's mostly do."""
    p_value: float | None = None
    """How often an honest key shows this much; None: what the calibration says, or exp(-score)."""


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
    """What a finding says beyond so many nats does not count. What is left is weighed: by the key's
    nature (`KeyView.weight`, up to 1.08) and by the factors of the calibration."""
    about: ClassVar[Subject] = "habits"
    """What its evidence is about, and so what it is weighed by: see `KeyView.weight`."""
    about_place: ClassVar[bool] = False
    """Its summary says where requests come from: messages begin with it."""
    about_dead_keys: ClassVar[bool] = False
    """It finds that a key is used which should no longer work: messages then ask for a block at the
    gateway, not for a revocation. What its evidence has `served` shows that a revocation failed."""

    @abstractmethod
    def judge(self, key: KeyView) -> Finding | None:
        """The answer, or None when there is nothing to say.

        What it raises ends the worker, which would meet the same event again when it starts: a
        detector divides by nothing that may be 0.
        """

    def began(self, key: KeyView, finding: Finding) -> float | None:
        """Unix seconds of the first request that a finding is about; None: it does not tell.

        Asked when an incident opens. A finding begins with a window, and this with what is in it.
        """
        return key.first_use(finding.since)

    def novelties(self, evidence: Mapping[str, Any]) -> list[tuple[Novelty, str]]:
        """What its evidence calls new about the key: where many keys share it, a fleet changed."""
        del evidence
        return []
