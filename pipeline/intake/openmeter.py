"""OpenMeter's CloudEvents; the subject is the key.

OpenMeter says nothing of what is in `data`: its fields are called as those of a usage event are.
"""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from pipeline.intake import batch
from pipeline.intake.batch import Batch
from pipeline.intake.lenient import (
    count,
    decoded,
    dollars,
    duration,
    flag,
    identifier,
    origin,
    right,
    seconds,
    table,
    text,
    texts,
    whole,
)
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
    own, subject = whole(event.id), whole(event.subject)
    if own is None or subject is None:
        raise Refused("missing_field", "id or subject is missing")
    time = arrived if event.time is None else seconds(event.time)
    if time is None:
        raise Refused("bad_time", "time is neither RFC 3339 nor a number")
    key_id = identifier(subject)
    identity = msgspec.json.encode((whole(event.source), own, key_id))
    found = UsageEvent(
        event_id=hashlib.sha256(identity).hexdigest(),
        occurred_at=time,
        key_id=key_id,
        source="openmeter",
    )
    _add_usage(found, table(event.data))
    _add_client(found, table(event.data))
    return redacted(found)


def _add_usage(event: UsageEvent, data: Mapping[str, object]) -> None:
    get, status = data.get, count(data.get("status"))
    event.provider, event.model = text(get("provider")), text(get("model"))
    event.operation = text(get("operation"))
    event.status = status if 100 <= status <= 599 else 200
    event.error_type = text(get("error_type"))
    event.input_tokens = count(get("input_tokens"), get("prompt_tokens"))
    event.output_tokens = count(get("output_tokens"), get("completion_tokens"))
    event.cached_input_tokens = count(get("cached_input_tokens"))
    event.cache_write_tokens = count(get("cache_write_tokens"))
    event.reasoning_tokens = count(get("reasoning_tokens"))
    cost = dollars(get("cost_usd"))
    event.cost_usd = dollars(get("cost")) if cost is None else cost
    event.latency_ms = duration(get("latency_ms"))
    event.time_to_first_token_ms = duration(get("time_to_first_token_ms"))
    event.stream = flag(get("stream"))


def _add_client(event: UsageEvent, data: Mapping[str, object]) -> None:
    get = data.get
    event.client_ip, event.user_agent = right(get("client_ip")), text(get("user_agent"))
    event.origin = origin(text(get("origin")))
    event.end_user, event.team = text(get("end_user")), text(get("team"))
    event.environment, event.tags = text(get("environment")), texts(get("tags"))
