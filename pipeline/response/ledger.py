"""What enforcement remembers: an entry for each action, from intent to outcome."""

import msgspec
from msgspec import Struct

from pipeline.journal import Journal, remembered
from pipeline.pause import Pause
from pipeline.registry import fleet_keys
from pipeline.response.decide import DAY_SECONDS, Automatic, History
from schemas.action import Action, ActionResult
from schemas.codec import encode
from schemas.verdict import Verdict

_ACTION = "action/"
_VERDICT = "verdict/"
_AUTOMATIC = "automatic"


class Entry(Struct, omit_defaults=True, kw_only=True):
    """An action and how far it got."""

    action: Action
    next_at: float
    """Unix seconds before which nothing is tried …"""
    paused_at: float = 0.0
    """… unless the clock has gone back before this, when that was decided."""
    attempts: int = 0
    """Written before each attempt: above 0 the gateway may have acted."""
    failures: int = 0
    """Attempts that are known to have failed: a crash of our own uses up none."""
    http_status: int | None = None
    delivered: bool = False
    """The gateway accepted; what is left is the probe."""
    probes: int = 0
    unchanged: bool = False
    """A probe has seen the key as it was."""
    result: ActionResult | None = None
    """The final one; it never changes."""
    published: bool = False

    def pause(self, now: float, seconds: float) -> None:
        """Wait before the next attempt."""
        self.paused_at, self.next_at = now, now + seconds

    def due(self, now: float) -> bool:
        """Whether something may be tried."""
        return Pause(self.paused_at, self.next_at).over(now)


def load(action_id: str, journal: Journal) -> Entry | None:
    """The entry of an action."""
    value = journal.get(_ACTION + action_id)
    return None if value is None else msgspec.json.decode(value, type=Entry)


def save(entry: Entry, journal: Journal) -> None:
    """Remember an entry."""
    journal.put(_ACTION + entry.action.action_id, msgspec.json.encode(entry))


def forget(action_id: str, journal: Journal) -> None:
    """Drop an entry."""
    journal.put(_ACTION + action_id, None)


def entries(journal: Journal) -> list[Entry]:
    """Every entry, in the order of their ids."""
    ids = remembered(_ACTION, journal)
    return [entry for action_id in ids if (entry := load(action_id, journal)) is not None]


def remember_verdict(verdict: Verdict, journal: Journal) -> None:
    """Keep the latest verdict on an incident. To acknowledge takes back no snooze or judgement."""
    if verdict.verdict == "acknowledge":
        return
    known = verdict_on(verdict.incident_id, journal)
    if known is None or known.at <= verdict.at:  # type: ignore[operator]  # both are UTC datetimes after decoding
        journal.put(_VERDICT + verdict.incident_id, encode(verdict))


def verdict_on(incident_id: str, journal: Journal) -> Verdict | None:
    """The latest verdict on an incident."""
    value = journal.get(_VERDICT + incident_id)
    return None if value is None else msgspec.json.decode(value, type=Verdict)


def verdicts(journal: Journal) -> list[Verdict]:
    """Every verdict that is remembered."""
    ids = remembered(_VERDICT, journal)
    return [verdict for each in ids if (verdict := verdict_on(each, journal)) is not None]


def forget_verdict(incident_id: str, journal: Journal) -> None:
    """Drop a verdict."""
    journal.put(_VERDICT + incident_id, None)


def history(journal: Journal) -> History:
    """What the brakes look at."""
    return History(_automatic(journal), fleet_keys(journal))


def count_automatic(action: Action, journal: Journal, now: float) -> None:
    """Count an automatic revocation, once; those older than a day are forgotten."""
    kept = [
        past
        for past in _automatic(journal)
        if past.at > now - DAY_SECONDS and past.action_id != action.action_id
    ]
    kept.append(Automatic(action.action_id, action.key_id, now, action.dry_run))
    journal.put(_AUTOMATIC, msgspec.json.encode(kept))


def _automatic(journal: Journal) -> list[Automatic]:
    value = journal.get(_AUTOMATIC)
    return [] if value is None else msgspec.json.decode(value, type=list[Automatic])
