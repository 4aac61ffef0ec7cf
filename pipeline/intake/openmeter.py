"""OpenMeter's CloudEvents, such as LiteLLM's `litellm_tokens`; the subject is the key."""

import hashlib
from functools import partial
from typing import Final

import msgspec

from pipeline.intake import batch
from pipeline.intake.batch import Batch
from pipeline.intake.lenient import count, decoded, dollars, identifier, seconds, table, text, whole
from schemas.codec import Refused, redacted
from schemas.usage_event import UsageEvent

FIELDS: Final = frozenset({"specversion", "id", "type", "time", "source"})
"""What is kept of a refused event."""


class _CloudEvent(msgspec.Struct, gc=False):
    id: object = None
    time: object = None
    subject: object = None
    source: object = None
    data: object = None


_EVENT: Final = msgspec.json.Decoder(_CloudEvent)


def parse(body: bytes, arrived: float) -> Batch:
    """The events of a body that came at a time, in Unix seconds."""
    return batch.parse(body, partial(convert, arrived=arrived), arrived)


def convert(raw: bytes, arrived: float) -> UsageEvent:
    """The usage in a CloudEvent; one that has no time is of the time of its arrival.

    Raises:
        Refused: it is none, or has no id or subject.
    """
    event = decoded(raw, _EVENT)
    own, subject = text(event.id), whole(event.subject)
    if own is None or subject is None:
        raise Refused("missing_field", "id or subject is missing")
    time = arrived if event.time is None else seconds(event.time)
    if time is None:
        raise Refused("bad_time", "time is neither RFC 3339 nor a number")
    key_id, data = identifier(subject), table(event.data)
    identity = msgspec.json.encode((text(event.source), own, key_id))
    return redacted(
        UsageEvent(
            event_id=hashlib.sha256(identity).hexdigest(),
            occurred_at=time,
            key_id=key_id,
            source="openmeter",
            provider=text(data.get("provider")),
            model=text(data.get("model")),
            operation=text(data.get("operation")),
            input_tokens=count(data.get("prompt_tokens"), data.get("input_tokens")),
            output_tokens=count(data.get("completion_tokens"), data.get("output_tokens")),
            cost_usd=dollars(data.get("cost")),
        )
    )
