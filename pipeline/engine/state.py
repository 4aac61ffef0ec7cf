"""A key in use: what its events change every time, beside what is looked at now and then.

These are plain classes and no records, so that compiled ahead of time their numbers lie side by
side in memory. `stored` is what becomes of them between uses.
"""

from sys import intern
from typing import Final

from xxhash import xxh3_64_intdigest

from detectors.baselines.history import History
from detectors.baselines.sketch import note
from detectors.baselines.totals import Totals
from detectors.baselines.windows import HourWindow, Windows
from pipeline.accept import Use
from pipeline.engine.stored import VERSION, Calm, Ended, OpenIncident, Sampled, Stored, read, write
from schemas.key_record import KeyRecord
from schemas.spend_window import Granularity

IDS_MINUTES: Final = 5
"""Ids are forgotten in groups of so many minutes, named by their first."""
Ids = dict[int, None]
"""Hashes of event ids in the order in which they came: a set that keeps it."""
Touched = set[tuple[Granularity, int]]


class Tally:
    """What is counted of a slice in a minute."""

    __slots__ = (
        "errors",
        "input_tokens",
        "nanos",
        "number",
        "output_tokens",
        "requests",
        "sample",
        "unpriced",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        """Of the slice, among those of the key's windows."""
        self.requests = 0
        self.errors = 0
        self.nanos = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.unpriced = 0
        self.sample: tuple[int, int, int] | None = None
        """Input and output tokens and manner of one that was answered, where the gateway counts."""

    def add(self, use: Use) -> None:
        """Count a request."""
        self.requests += 1
        self.nanos += use.nanos
        self.input_tokens += use.input_tokens
        self.output_tokens += use.output_tokens
        if use.kind.failed:
            self.errors += 1
        if not use.kind.priced:
            self.unpriced += 1

    def totals(self) -> Totals:
        """The same as a record."""
        return Totals(
            self.requests,
            self.errors,
            self.nanos,
            self.input_tokens,
            self.output_tokens,
            self.unpriced,
        )

    def sampled(self) -> Sampled:
        """The same with its sample."""
        return Sampled(
            self.requests,
            self.errors,
            self.nanos,
            self.input_tokens,
            self.output_tokens,
            self.unpriced,
            *(self.sample or ()),
        )


class Pending:
    """What a minute has counted that is not yet in the windows."""

    __slots__ = ("hour", "ids", "minute", "slices", "users")

    def __init__(self, minute: int, hour: HourWindow, ids: Ids) -> None:
        self.minute = minute
        self.hour = hour
        """The window of its hour …"""
        self.ids = ids
        """… and its group of event ids: at hand, since each event needs them."""
        self.slices: dict[str, Tally] = {}
        self.users: set[str] = set()
        """End users that the hour's sketch has not seen yet."""

    def totals(self) -> Totals:
        """The sum of all slices."""
        requests = errors = nanos = input_tokens = output_tokens = unpriced = 0
        for tally in self.slices.values():
            requests += tally.requests
            errors += tally.errors
            nanos += tally.nanos
            input_tokens += tally.input_tokens
            output_tokens += tally.output_tokens
            unpriced += tally.unpriced
        return Totals(requests, errors, nanos, input_tokens, output_tokens, unpriced)

    def note_users(self) -> None:
        """Let the hour's sketch see the end users."""
        if not self.users:
            return
        sketch = self.hour.users
        for user in self.users:  # in any order: a sketch does not care
            note(sketch, xxh3_64_intdigest(user.encode()))
        self.users.clear()


class KeyState:
    """Everything that is known of a key; the fields are those of `Stored`, where it has them."""

    __slots__ = (
        "calm",
        "changed",
        "clock",
        "current",
        "ended",
        "gate_nanos",
        "gate_requests",
        "history",
        "hot",
        "ids",
        "incident",
        "incidents",
        "laid_by",
        "long_over",
        "minute",
        "nanos",
        "novel_minute",
        "pending",
        "position",
        "record",
        "requests",
        "said_at",
        "touched",
        "usual_nanos",
        "usual_requests",
        "windows",
    )

    def __init__(self, record: KeyRecord | None = None) -> None:
        self.changed = False
        """Since the last checkpoint …"""
        self.touched: Touched = set()
        """… as did these windows."""
        self.position = -1
        self.clock = 0.0
        self.minute = 0
        self.requests = 0
        self.nanos = 0
        self.gate_requests = 1
        self.gate_nanos = 0
        self.usual_requests = 1
        self.usual_nanos = 0
        self.long_over = 0
        self.laid_by = 0
        self.novel_minute = 0
        self.hot = False
        self.incidents = 0
        self.current: Pending | None = None
        """The one of `pending` that was added to last."""
        self.pending: dict[int, Pending] = {}
        self.ids: dict[int, Ids] = {}
        self.windows = Windows()
        self.history = History()
        self.record = record
        self.incident: OpenIncident | None = None
        self.calm: Calm | None = None
        self.ended: Ended | None = None
        self.said_at = 0

    def knows(self, digest: int) -> bool:
        """Whether an event was folded, by the hash of its id."""
        for ids in self.ids.values():  # noqa: SIM110 # two at the usual lateness: `any` costs more
            if digest in ids:
                return True
        return False

    @property
    def ids_known(self) -> int:
        """How many event ids are remembered."""
        return sum([len(ids) for ids in self.ids.values()])

    def begin(self, minute: int) -> Pending:
        """What a minute has pending, when nothing is yet."""
        hours, group = self.windows.hours, minute - minute % IDS_MINUTES
        hour = hours.get(minute // 60)
        if hour is None:
            hour = hours[minute // 60] = HourWindow()
        ids = self.ids.get(group)
        if ids is None:
            ids = self.ids[group] = {}
        pending = self.pending[minute] = Pending(minute, hour, ids)
        return pending


def encode_state(state: KeyState) -> bytes:
    """A state as stored."""
    for pending in state.pending.values():
        pending.note_users()
    return write(
        Stored(
            version=VERSION,
            position=state.position,
            clock=state.clock,
            minute=state.minute,
            requests=state.requests,
            nanos=state.nanos,
            novel_minute=state.novel_minute,
            hot=state.hot,
            usual=(state.usual_requests, state.usual_nanos),
            gates=(state.gate_requests, state.gate_nanos),
            pending={
                minute: {tally.number: tally.sampled() for tally in pending.slices.values()}
                for minute, pending in state.pending.items()
            },
            ids={group: list(ids) for group, ids in state.ids.items() if ids},
            windows=state.windows,
            history=state.history,
            record=state.record,
            incident=state.incident,
            incidents=state.incidents,
            calm=state.calm,
            long_over=state.long_over,
            laid_by=state.laid_by,
            ended=state.ended,
            said_at=state.said_at,
        )
    )


def decode_state(raw: bytes) -> KeyState:
    """A stored state, to be used.

    Raises:
        UnknownStateError: it is none, or one of another version.
    """
    stored = read(raw)
    state = KeyState(stored.record)
    state.position = stored.position
    state.clock = stored.clock
    state.minute = stored.minute
    state.requests = stored.requests
    state.nanos = stored.nanos
    state.gate_requests, state.gate_nanos = stored.gates
    state.usual_requests, state.usual_nanos = stored.usual
    state.long_over = stored.long_over
    state.laid_by = stored.laid_by
    state.novel_minute = stored.novel_minute
    state.hot = stored.hot
    state.incidents = stored.incidents
    state.ids = {group: dict.fromkeys(ids) for group, ids in stored.ids.items()}
    state.windows = stored.windows
    # One object for each text in it: of many copies few would lie in the caches.
    tokens = [intern(token) for token in stored.windows.tokens]
    state.windows.tokens = {token: number for number, token in enumerate(tokens)}
    for minute, slices in stored.pending.items():
        pending = state.begin(minute)
        for number, totals in slices.items():
            pending.slices[tokens[number]] = _tally(number, totals)
    state.history = stored.history
    state.incident = stored.incident
    state.calm = stored.calm
    state.ended = stored.ended
    state.said_at = stored.said_at
    return state


def _tally(number: int, totals: Sampled) -> Tally:
    tally = Tally(number)
    tally.requests = totals.requests
    tally.errors = totals.errors
    tally.nanos = totals.nanos
    tally.input_tokens = totals.input_tokens
    tally.output_tokens = totals.output_tokens
    tally.unpriced = totals.unpriced
    if totals.sample_input_tokens:
        tally.sample = (
            totals.sample_input_tokens,
            totals.sample_output_tokens,
            totals.sample_manner,
        )
    return tally
