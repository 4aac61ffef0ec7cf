"""What detectors find in a log: the examples of each, and the checks that all must pass."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import msgspec

from detectors.contract import Detector, Finding, KeyView
from detectors.discovery import all_detectors
from pipeline.engine import PartitionFold
from pipeline.message import Message
from schemas.key_record import KeyRecord
from schemas.usage_event import UsageEvent
from tests.support.events import control, in_time, messages, office, rules, run, workday

Example = Callable[[], list[Message]]
"""Makes a log; called when its test runs."""
HONEST_DAYS = 9
TODAY = HONEST_DAYS
"""The first day after the honest ones: a Wednesday."""
NOW = workday(TODAY, 10)
"""Ten o'clock of that day, an hour at which the key usually works."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """A detector was asked about a key."""

    detector: str
    key: KeyView
    finding: Finding | None
    pure: bool
    """Asked again it said the same, and the key was as before."""
    began: float | None
    """When what was found began, if the detector tells."""


def honest(*parts: Sequence[UsageEvent], record: KeyRecord | None = None) -> list[Message]:
    """Honest office days, and then what an example is about.

    Args:
        parts: what happens afterwards, besides.
        record: the key's registry entry.
    """
    events = in_time(office(HONEST_DAYS), *parts)
    first = [control("key", record)] if record is not None else []
    return [*first, *messages(events, 60)]


def listen(log: Iterable[Message]) -> list[Heard]:
    """Fold a log, and tell what each detector was asked and said."""
    heard: list[Heard] = []
    listeners = tuple(_listener(each, heard) for each in all_detectors())
    run(log, PartitionFold(dataclasses.replace(rules(), detectors=listeners)))
    return heard


@cache
def heard_in(example: Example) -> tuple[Heard, ...]:
    """The same of an example, folded once however many tests ask."""
    return tuple(listen(example()))


def findings(detector: str, example: Example) -> list[Finding]:
    """What one detector found in an example, all others being asked as well."""
    return [
        each.finding
        for each in heard_in(example)
        if each.detector == detector and each.finding is not None
    ]


def _listener(inner: Detector, heard: list[Heard]) -> Detector:
    def judge(_: Detector, key: KeyView) -> Finding | None:
        before = msgspec.msgpack.encode((key.history, key.windows))
        finding = inner.judge(key)
        fresh = KeyView(key.key_id, key.now, key.history, key.windows, key.record)
        again = inner.judge(fresh)
        began = None if finding is None else inner.began(key, finding)
        pure = again == finding and msgspec.msgpack.encode((key.history, key.windows)) == before
        heard.append(Heard(inner.name, key, finding, pure, began))
        return finding

    kind = type(inner)
    listening = type(kind.__name__, (kind,), {"judge": judge})
    made = listening()
    assert isinstance(made, Detector)
    return made
