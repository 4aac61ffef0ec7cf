"""The door of the core: a message becomes events that can be folded, controls and dead letters."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from pipeline.enrich.kinds import Kinds
from pipeline.enrich.pricing import Pricer
from pipeline.enrich.sources import Source
from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.codec import Refused, decode_control, decode_event, decode_events
from schemas.dead_letter import DeadLetter, Reason, pack_payload
from schemas.fields import utc
from schemas.gateway_use import UseQuestion
from schemas.key_record import KeyRecord
from schemas.provider_usage import JoinedUsage
from schemas.redaction import scrub
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict

OLDEST: Final = 1_262_304_000.0
"""2010 in Unix seconds: nothing older can be a request to a language model."""

Control = JoinedUsage | KeyRecord | Verdict | Calibration | UseQuestion
_CONTROLS: Final[dict[str, type[Control]]] = {
    "provider-usage": JoinedUsage,
    "key": KeyRecord,
    "verdict": Verdict,
    "calibration": Calibration,
    "gateway-use": UseQuestion,
}


class Accepted(Struct, gc=False):
    """An event that is fit to be folded."""

    event: UsageEvent
    at: float
    """`occurred_at` in Unix seconds."""
    nanos: int
    """Cost in nano-dollars; 0 when no price is known."""
    priced: bool
    source: Source | None
    index: int
    """Line within the message."""
    token: str = ""
    """Names the slice of its kind of request."""


class Batch:
    """What a message held."""

    __slots__ = ("controls", "dead_letters", "events", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.events: list[Accepted] = []
        self.controls: list[Control] = []
        self.dead_letters: list[DeadLetter] = []


class Acceptor:
    """Decodes, checks, prices and locates. Pure, but for the caches inside."""

    def __init__(self, pricer: Pricer, kinds: Kinds, *, future_seconds: float = 300.0) -> None:
        self._pricer = pricer
        self._kinds = kinds
        self._future_seconds = future_seconds

    def accept(self, message: Message) -> Batch:
        """Everything in a message; nothing in it raises."""
        batch = Batch(message)
        if message.record != "usage":
            self._control(message, batch)
        elif message.headers.get(CONTENT_TYPE_HEADER) == NDJSON:
            self._packed(message, batch)
        else:
            self._line(message, 0, message.value, batch)
        return batch

    def _packed(self, message: Message, batch: Batch) -> None:
        events = decode_events(message.value)
        if events:
            self._take(message, enumerate(events), batch)
            return
        lines = message.value.split(b"\n")
        filled = [(index, line) for index, line in enumerate(lines) if line.strip()]
        if not filled:
            batch.dead_letters.append(refusal(message, 0, b"", _EMPTY))
        for index, line in filled:
            self._line(message, index, line, batch)

    def _line(self, message: Message, index: int, raw: bytes, batch: Batch) -> None:
        try:
            event = decode_event(raw)
        except Refused as refused:
            batch.dead_letters.append(refusal(message, index, raw, refused))
        else:
            self._take(message, ((index, event),), batch)

    def _take(
        self, message: Message, events: Iterable[tuple[int, UsageEvent]], batch: Batch
    ) -> None:
        newest = message.appended_at + self._future_seconds
        price, kind_of, accepted = self._pricer.price, self._kinds.of, batch.events
        for index, event in events:
            at = event.occurred_at
            if not isinstance(at, float):
                at = at.timestamp()
            if not OLDEST <= at <= newest:
                raw, refused = raw_line(message, index), _bad_time(at)
                batch.dead_letters.append(refusal(message, index, raw, refused))
                continue
            nanos, kind = price(event), kind_of(event)
            accepted.append(
                Accepted(event, at, nanos or 0, nanos is not None, kind.source, index, kind.token)
            )

    @staticmethod
    def _control(message: Message, batch: Batch) -> None:
        kind = _CONTROLS.get(message.record)
        if kind is None:
            batch.dead_letters.append(refusal(message, 0, message.value, _UNKNOWN))
            return
        try:
            batch.controls.append(decode_control(message.value, kind))
        except Refused as refused:
            batch.dead_letters.append(refusal(message, 0, message.value, refused))


_UNKNOWN: Final = Refused("unknown_record", "the leakline-record header names no known record")
_EMPTY: Final = Refused("empty_message", "the message is empty")


def _bad_time(at: float) -> Refused:
    reason: Reason = "time_too_old" if at < OLDEST else "time_in_future"
    what = "before 2010" if at < OLDEST else "ahead of the time at which the log took it"
    return Refused(reason, f"occurred_at is {what}")


def raw_line(message: Message, index: int) -> bytes:
    """One line of a message: the whole of it when it is not packed."""
    if message.headers.get(CONTENT_TYPE_HEADER) != NDJSON:
        return message.value
    return message.value.split(b"\n")[index]


def refusal(message: Message, index: int, raw: bytes, refused: Refused) -> DeadLetter:
    """The dead letter of one line."""
    return DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        index=index,
        reason=refused.reason,
        detail=refused.detail,
        received_at=utc(message.appended_at),
        payload=pack_payload(scrub(raw)),
    )
