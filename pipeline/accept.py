"""The door of the core: a message becomes events that can be folded, controls and dead letters."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from pipeline.enrich.kinds import Kind, Kinds
from pipeline.enrich.pricing import Pricer
from pipeline.message import Message
from schemas.calibration import Calibration
from schemas.codec import Refused, decode_control, decode_event, decode_lines
from schemas.dead_letter import PAYLOAD_BYTES_MAX, DeadLetter, pack_payload
from schemas.fields import utc
from schemas.gateway_use import UseQuestion
from schemas.key_record import KeyRecord
from schemas.known_fields import known_fields
from schemas.plausibility import OLDEST, mistake_in_time
from schemas.provider_usage import JoinedUsage
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict

Control = JoinedUsage | KeyRecord | Verdict | Calibration | UseQuestion
_CONTROLS: Final[dict[str, type[Control]]] = {
    "provider-usage": JoinedUsage,
    "key": KeyRecord,
    "verdict": Verdict,
    "calibration": Calibration,
    "gateway-use": UseQuestion,
}
UNREADABLE_BYTES_MAX: Final = 1024
"""What is longer, and no JSON object, is left at its source offset: whole payloads of gateways
have prompts in them."""


class Use:
    """One request, as far as it counts: what is kept of an event until its key's run is folded.

    Ten thousand wait in a group. Whole events would not fit into the processor's caches, and to
    make and free them there would cost as much as to fold them. A plain class and no record, as a
    key in use is (`pipeline.engine.state`).
    """

    __slots__ = (
        "at",
        "cached_tokens",
        "digest",
        "event",
        "index",
        "input_tokens",
        "kind",
        "message",
        "nanos",
        "output_tokens",
        "user",
    )

    def __init__(  # noqa: PLR0913, PLR0917 # by name it would cost more
        self,
        at: float,
        digest: int,
        kind: Kind,
        nanos: int,
        input_tokens: int,
        output_tokens: int,
        user: str | None,
        message: Message,
        index: int,
        cached_tokens: int,
    ) -> None:
        self.at = at
        """`occurred_at` in Unix seconds."""
        self.digest = digest
        """Hash of the event id."""
        self.kind = kind
        self.nanos = nanos
        """Nano-dollars; 0 when no price is known."""
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.user = user
        self.message = message
        """What brought it …"""
        self.index = index
        """… in which line."""
        self.cached_tokens = cached_tokens
        """Of the prompt, those that the provider had cached."""
        self.event: UsageEvent | None = None
        """All of it, for those who asked for that."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the log."""
        return self.message.offset, self.index


class Batch:
    """What a message held."""

    __slots__ = ("controls", "dead_letters", "key_ids", "message", "uses")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.uses: list[Use] = []
        """What is fit to be folded …"""
        self.key_ids: list[str] = []
        """… and into which keys."""
        self.controls: list[Control] = []
        self.dead_letters: list[DeadLetter] = []


class Acceptor:
    """Decodes, checks, prices and locates. Pure, but for the caches inside."""

    def __init__(self, pricer: Pricer, kinds: Kinds, *, future_seconds: float = 300.0) -> None:
        self._pricer = pricer
        self._kinds = kinds
        self._future_seconds = future_seconds

    def accept(self, message: Message, *, whole: bool = False) -> Batch:
        """Everything in a message; nothing in it raises.

        Args:
            message: of the log.
            whole: whether the uses are to have their events.
        """
        batch = Batch(message)
        if message.record != "usage":
            self._control(message, batch)
        elif message.packed:
            self._take(decode_lines(message.value), batch, whole=whole)
            if not batch.uses and not batch.dead_letters:
                batch.dead_letters.append(dead_letter(message, 0, b"", _EMPTY))
        else:
            self._take([_decoded(message.value)], batch, whole=whole)
        return batch

    def _take(
        self, lines: Iterable[UsageEvent | Refused | None], batch: Batch, *, whole: bool
    ) -> None:
        message = batch.message
        newest = message.appended_at + self._future_seconds
        price, kind_of = self._pricer.price, self._kinds.of
        uses, key_ids = batch.uses, batch.key_ids
        refused: list[tuple[int, Refused]] = []
        for index, event in enumerate(lines):
            if not isinstance(event, UsageEvent):
                if event is not None:
                    refused.append((index, event))
                continue
            at = event.occurred_at
            if not isinstance(at, float):
                at = at.timestamp()
            if not OLDEST <= at <= newest:
                refused.append((index, _bad_time(at, newest)))
                continue
            nanos = price(event)
            use = Use(
                at,
                xxh3_64_intdigest(event.event_id.encode()),
                kind_of(event, nanos),
                nanos or 0,
                event.input_tokens,
                event.output_tokens,
                event.end_user,
                message,
                index,
                event.cached_input_tokens,
            )
            if whole:
                use.event = event
            uses.append(use)
            key_ids.append(event.key_id)
        if refused:
            raw = raw_lines(message)
            batch.dead_letters += [
                dead_letter(message, line, raw[line], why) for line, why in refused
            ]

    @staticmethod
    def _control(message: Message, batch: Batch) -> None:
        kind = _CONTROLS.get(message.record)
        if kind is None:
            batch.dead_letters.append(dead_letter(message, 0, message.value, _UNKNOWN))
            return
        try:
            batch.controls.append(decode_control(message.value, kind))
        except Refused as refused:
            batch.dead_letters.append(dead_letter(message, 0, message.value, refused, kind))


def _decoded(raw: bytes) -> UsageEvent | Refused:
    try:
        return decode_event(raw)
    except Refused as refused:
        return refused


_UNKNOWN: Final = Refused("unknown_record", "the leakline-record header names no known record")
_EMPTY: Final = Refused("empty_message", "the message is empty")


def _bad_time(at: float, newest: float) -> Refused:
    return Refused(*(mistake_in_time(at, newest) or ("bad_time", "occurred_at is no time")))


def raw_line(message: Message, index: int) -> bytes:
    """One line of a message: the whole of it when it is not packed."""
    return raw_lines(message)[index]


def raw_lines(message: Message) -> list[bytes]:
    """The lines of a message: one when it is not packed."""
    return message.value.split(b"\n") if message.packed else [message.value]


def dead_letter(
    message: Message, index: int, raw: bytes, refused: Refused, body: type[Struct] = UsageEvent
) -> DeadLetter:
    """The dead letter of one line that should have held such a body."""
    return DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        index=index,
        reason=refused.reason,
        detail=refused.detail,
        received_at=utc(message.appended_at),
        payload=pack_payload(_kept(raw, body)),
    )


def _kept(raw: bytes, body: type[Struct]) -> bytes:
    """What is carried of a line; nothing is where it has to be read from the log again."""
    if len(raw) > PAYLOAD_BYTES_MAX:
        return b""
    known = known_fields(raw, body.__struct_encode_fields__)
    if known is not None:
        return known
    return raw if len(raw) <= UNREADABLE_BYTES_MAX else b""
