"""What is kept of a key: a compact, versioned record (in use it is a `state.KeyState`)."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Struct, field

from detectors.baselines.history import History
from detectors.baselines.newcomers import Newcomer
from detectors.baselines.totals import Totals
from detectors.baselines.windows import MinuteWindow, Windows
from detectors.fusion import STRANGERS, Conclusion
from schemas.codec import UNDECODABLE
from schemas.incident import Cause, Severity, Signal, unseen_usd
from schemas.key_record import KeyRecord

VERSION = 3


class OpenIncident(Struct, array_like=True, gc=False):
    """An incident that has not ended."""

    incident_id: str
    revision: int
    severity: Severity
    cause: Cause
    opened_at: float
    """Unix seconds, as all times of a state."""
    evidence_at: float
    """When its evidence last grew."""
    nats: float
    spend_nanos: int
    """Spend since `opened_at`."""
    emitted_nanos: int
    """What it had cost at the last revision."""
    baseline_nanos: float
    """What was expected since `opened_at`, up to `baseline_at`."""
    baseline_at: float
    signals: dict[str, Signal] = {}
    causes: dict[str, dict[Cause, float]] = {}
    """What each signal speaks for."""
    runner_up: Cause | None = None
    snoozed_until: float = 0.0
    """Not used any more; it keeps its place in what is stored."""
    told_cause: Cause | None = None
    """The cause in the last revision …"""
    told_before: list[Cause] = []
    """… and others in those before it."""
    told_networks: list[str] = []
    """Of the strangers that the revisions told of."""
    answered: bool = False
    """A person said that it is a leak, or that they look into it."""
    unpriced: int = 0
    """Requests since `opened_at` that no price is known of: `spend_nanos` lacks them."""

    @property
    def cost_nanos(self) -> float:
        """Spend since `opened_at`, and what went past the gateway."""
        return self.spend_nanos + 1e9 * (unseen_usd(self.signals.values()) or 0.0)

    def take_causes(self, conclusion: Conclusion, *, paged: bool) -> None:
        """Take the causes of a conclusion.

        A budget that is spent after a page about strangers is but what they cost.
        """
        if conclusion.cause == "budget" and paged and self.told_cause in STRANGERS:
            return
        self.cause, self.runner_up = conclusion.cause, conclusion.runner_up

    def note_told(self, strangers: Collection[str] = ()) -> None:
        """People are told its cause, in a revision, and of those who are strange to the key.

        Args:
            strangers: their networks.
        """
        self.told_networks = sorted({*self.told_networks, *strangers})
        known = self.told_cause
        if known and known not in (self.cause, *self.told_before):
            self.told_before.append(known)
        self.told_cause = self.cause


class Calm(Struct, array_like=True, gc=False):
    """People were told, and nothing came of it: the same again is not worth another page."""

    until: float
    nats: float
    """Evidence that was forgiven."""
    snoozed: bool = False
    """Nobody has looked yet: what goes on is not learnt as normal."""
    cause: Cause | None = None
    """What was told, and another cause is news. None: a person found nothing wrong."""
    pages: int = 0
    """Pages in a row that nobody has answered and that ended by themselves."""
    networks: list[str] = []
    """Of the strangers that people were told of."""


class Ended(Struct, array_like=True, gc=False):
    """The last incident that ended: people may say later what it was."""

    incident_id: str
    nats: float
    networks: list[str] = []
    """Of the strangers that people were told of."""


class Sampled(Totals, array_like=True, gc=False):
    """What is pending of a slice in a minute."""

    sample_input_tokens: int = 0
    """Of one of its requests; 0: there is no sample."""
    sample_output_tokens: int = 0
    sample_manner: int = 0


class Stored(Struct, array_like=True, gc=False):
    """Everything that is known of a key, its position in the log included."""

    version: int = VERSION
    position: int = -1
    """Offset of the last message folded in."""
    clock: float = 0.0
    """Largest event time so far."""
    minute: int = 0
    """The minute that the clock is in."""
    requests: int = 0
    """In this minute."""
    nanos: int = 0
    novel_minute: int = 0
    """The latest minute in which something novel had the key looked at."""
    hot: bool = False
    """Watched closely: looked at in every minute, and at every doubling within it."""
    usual: tuple[int, int] = (1, 0)
    """The gates (requests, nano-dollars) of an ordinary minute in this hour."""
    gates: tuple[int, int] = (1, 0)
    """What a minute must reach for the key to be looked at."""
    pending: dict[int, dict[int, Sampled]] = {}
    """Counted, by minute and number of the slice, but not yet in the windows: the last five
    minutes at most."""
    ids: dict[int, list[int]] = {}
    """Hashes of the event ids within the lateness, by the first of some minutes."""
    windows: Windows = field(default_factory=Windows)
    history: History = field(default_factory=History)
    record: KeyRecord | None = None
    incident: OpenIncident | None = None
    incidents: int = 0
    """How many were opened."""
    calm: Calm | None = None
    long_over: int = 0
    """Requests with more input tokens than this are looked at one by one."""
    laid_by: int = 0
    """Unix seconds at which the registry told of an old key that nobody had used yet; 0: it was."""
    ended: Ended | None = None
    said_at: int = 0
    """Unix seconds of the last word of a person's about an incident of the key; 0: none."""


_INT_MAX = 2**63 - 1
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Stored)


class _Version(Struct, array_like=True):
    """The beginning of a state of any version; the rest is skipped."""

    version: int


_VERSION = msgspec.msgpack.Decoder(_Version)
_PENDING, _WINDOWS = map(Stored.__struct_fields__.index, ("pending", "windows"))
_TOKENS = Windows.__struct_fields__.index("tokens")
_SLICES = MinuteWindow.__struct_fields__.index("slices")
"""The same place in minutes and in hours."""
_HISTORY = Stored.__struct_fields__.index("history")
_NEWCOMERS, _RELEASES = map(History.__struct_fields__.index, ("newcomers", "shape"))
_UNKNOWN_RELEASES = Newcomer.__struct_fields__.index("first_names")
"""Up to version 2, clients' versions had the places that others have now."""
_MISSHAPEN = (*UNDECODABLE, LookupError, TypeError, ValueError, AttributeError)
"""What comes of reading something else as a state of an earlier version."""


class UnknownStateError(Exception):
    """A stored state that this release cannot read."""


def write(state: Stored) -> bytes:
    """A state as bytes."""
    try:
        return _ENCODER.encode(state)
    except OverflowError:  # sums of absurd costs
        return _ENCODER.encode(_clamped(msgspec.to_builtins(state, str_keys=False)))


def read(raw: bytes) -> Stored:
    """A state from its bytes.

    Raises:
        UnknownStateError: it is none, or one of another version.
    """
    version = check_state(raw)
    try:
        if version == VERSION:
            return _DECODER.decode(raw)
        return msgspec.convert(_renewed(msgspec.msgpack.decode(raw), version), Stored)
    except _MISSHAPEN as error:
        raise UnknownStateError(f"a stored state cannot be read: {error}") from None


def check_state(raw: bytes) -> int:
    """The version of a stored state, if this release can read it, in a fifth of the time of that.

    Raises:
        UnknownStateError: it is none, or one of another version.
    """
    try:
        version = _VERSION.decode(raw).version
    except UNDECODABLE as error:
        raise UnknownStateError(f"a stored state cannot be read: {error}") from None
    if not 1 <= version <= VERSION:
        raise UnknownStateError(
            f"a stored state has version {version}; this release reads up to version {VERSION}"
        )
    return version


def _renewed(fields: list[Any], version: int) -> list[Any]:
    """A state of an earlier version as one of this."""
    if version == 1:
        _number(fields)
    history = fields[_HISTORY]
    del history[_RELEASES : _RELEASES + 1]
    for newcomer in history[_NEWCOMERS].values():
        del newcomer[_UNKNOWN_RELEASES : _UNKNOWN_RELEASES + 1]
    return [VERSION, *fields[1:]]


def _number(fields: list[Any]) -> None:
    """Number the texts of slices, which version 1 repeated for each minute and hour."""
    pending, windows = fields[_PENDING], fields[_WINDOWS]
    minutes, hours = windows[:2]
    tokens: dict[str, int] = {}
    for window in (*hours.values(), *minutes.values()):
        window[_SLICES] = _by_number(window[_SLICES], tokens)
    for minute, slices in pending.items():
        pending[minute] = _by_number(slices, tokens)
    windows += [{}] * (_TOKENS - len(windows))
    windows.append(tokens)


def _by_number(slices: dict[str, Any], tokens: dict[str, int]) -> dict[int, Any]:
    return {tokens.setdefault(token, len(tokens)): each for token, each in slices.items()}


def _clamped(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_clamped(each) for each in value]
    if isinstance(value, dict):
        return {name: _clamped(each) for name, each in value.items()}
    return min(value, _INT_MAX) if isinstance(value, int) else value
