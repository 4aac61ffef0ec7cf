"""Made-up bytes for every decoder and endpoint: none may fail in a way that it does not promise,
and a planted secret must not come out again.

Inputs are valid ones with pieces torn out, doubled, swapped and replaced; a seed repeats them.
"""

import base64
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import msgspec

from pipeline.engine.state import decode_state
from pipeline.engine.stored import UnknownStateError
from pipeline.message import Message
from pipeline.notify.clicks import read_click
from pipeline.outgoing.http import Answer
from pipeline.response.litellm import _unblocked
from pipeline.response.webhook import _active
from pipeline.serve.intake import FORMATS, Format
from pipeline.serve.slack import click_in
from schemas.codec import Refused, decode_record, encode
from schemas.dead_letter import DeadLetter, pack_payload
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SpendWindow
from schemas.topics import CONTENT_TYPE_HEADER, NDJSON, RECORD_HEADER
from tests.intake import test_bedrock, test_openmeter, test_otel
from tests.serve.test_slack import CLICK
from tests.serve.test_slack import form as form_of
from tests.support.events import HOME, START, event, events_of, rules
from tests.support.samples import action, action_result, incident, key_record, verdict
from tests.support.serving import NOW

SECRET = "sk-proj-" + "aB3_" * 12
DATA = Path(__file__).parent.parent / "data"
ODD: tuple[bytes, ...] = (
    b"", b"null", b"NaN", b"-Infinity", b"1e999", b"-1", b"0.1", b"true", b"[]", b"{}", b'""',
    b"\xff\xfe", b"\x00", b'"\\ud800"', b"9" * 400, b"[" * 2_000, b'{"a":' * 500, b"\n", b"\r\n",
    b'"1970-01-01T00:00:00Z"', b'"9999-12-31T23:59:60Z"', b'"<!channel>"', b'"=cmd()"',
    b"\xe2\x80\xae", b'"' + SECRET.encode() + b'"', b'"' + b"x" * 5_000 + b'"',
    b'"' + b'\\"' * 50_000 + b"\\",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A decoder, what it is fed with, and what it may raise."""

    name: str
    decode: Callable[[bytes], Iterable[bytes]]
    """Gives what would be stored, logged or answered."""
    samples: Sequence[bytes]
    promised: tuple[type[Exception], ...] = ()


@dataclass(slots=True)
class Fuzzed:
    """How many inputs a target had, and what was wrong."""

    name: str
    inputs: int = 0
    violations: list[str] = field(default_factory=list)


_VALUE = re.compile(rb'(?<=[:\[])\s*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)')
"""A value in JSON: with an odd one in its place the whole can mostly still be read."""


def mutated(rng: random.Random, sample: bytes) -> bytes:
    """A sample with a few things done to it."""
    body = sample
    for _ in range(rng.choice((1, 1, 2, 5))):
        values = [each.span(1) for each in _VALUE.finditer(body)] if rng.random() < 0.5 else []
        if values:
            start, end = rng.choice(values)
            body = body[:start] + rng.choice(ODD) + body[end:]
            continue
        start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        end = min(end, start + 64) if rng.random() < 0.9 else len(body)
        piece = rng.choice((b"", body[start:end] * 2, rng.choice(ODD), rng.randbytes(3)))
        body = body[:start] + piece + body[end:]
    return body


def fuzz(target: Target, inputs: int, seed: int = 0) -> Fuzzed:
    """Feed a target; deterministic for a seed."""
    rng = random.Random(f"{target.name} {seed}")  # noqa: S311 # repeatable, and no secret
    found = Fuzzed(target.name)
    for _ in range(inputs):
        raw = mutated(rng, rng.choice(target.samples))
        found.inputs += 1
        problem = _problem(target, raw)
        if problem is not None and len(found.violations) < 10:
            found.violations.append(f"{problem}: {base64.b64encode(raw[:600]).decode()}")
    return found


def _problem(target: Target, raw: bytes) -> str | None:
    try:
        said = b"\n".join(target.decode(raw))
    except target.promised as error:
        said = str(error).encode(errors="replace")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"raised {type(error).__name__}: {error}"
    return "the secret came out" if SECRET.encode() in said else None


# The targets


def _accept(headers: dict[str, str], raw: bytes) -> Iterable[bytes]:
    message = Message("usage-events", 0, 7, raw, START + 60, headers=headers)
    batch = rules().acceptor.accept(message, whole=True)
    for accepted in events_of(batch):
        yield encode(accepted)
    for letter in batch.dead_letters:
        yield letter.detail.encode()
        yield base64.b64decode(letter.payload)
    for record in batch.controls:
        yield encode(record)


def _parse(form: Format, raw: bytes) -> Iterable[bytes]:
    batch = form.parse(raw, NOW)
    for parsed in batch.events:
        yield encode(parsed)
    for rejected in batch.rejected:
        yield rejected.refused.detail.encode()


def _record(kind: type[msgspec.Struct], raw: bytes) -> Iterable[bytes]:
    encode(decode_record(raw, kind))
    return ()  # as others wrote it: where it goes on it is redacted


def _state(raw: bytes) -> Iterable[bytes]:
    decode_state(raw)
    return ()


def _click(raw: bytes) -> Iterable[bytes]:
    read_click(raw)
    return ()


def _interaction(raw: bytes) -> Iterable[bytes]:
    click_in(raw)
    return ()


def _answer(raw: bytes) -> Iterable[bytes]:
    answer = Answer(200, raw)
    _active(answer), _unblocked(answer)
    return ()


@cache
def samples() -> list[bytes]:
    """An ordinary event, and one with the secret in it."""
    own = {"client_ip": HOME[0], "tags": ["a", "b"], "source": None}
    plain = event(START, event_id="e1", key_id="key-1", **own)
    raw = msgspec.structs.replace(plain, key_id=SECRET, user_agent=f"curl {SECRET}")
    return [encode(plain), encode(raw)]


def sent() -> dict[str, list[bytes]]:
    """What gateways send, by the format of the intake that takes it."""
    lines = (DATA / "litellm.jsonl").read_bytes().splitlines()
    items = {
        "litellm": [msgspec.json.decode(line)["payload"] for line in lines],
        "openmeter": [test_openmeter.EVENT, test_openmeter.EVENT | {"subject": SECRET}],
        "bedrock": [test_bedrock.RECORD, test_bedrock.RECORD | {"errorCode": SECRET}],
    }
    spans = [test_otel.ATTRIBUTES, test_otel.ATTRIBUTES | {"leakline.key.hash": SECRET}]
    return {
        "events": [*samples(), b"\n".join(samples() * 3)],
        "otlp": [test_otel.request(each) for each in spans],
        **{
            name: [*map(msgspec.json.encode, each), msgspec.json.encode(each)]
            for name, each in items.items()
        },
    }


def targets() -> list[Target]:
    """Every decoder of what comes from outside."""
    events = samples()
    packed = b"\n".join(events * 3)
    states = [path.read_bytes() for path in DATA.glob("state-v*.msgpack")]
    answers = [b'{"active":false}', b'{"info":{"blocked":true}}', b'{"blocked":null}']
    usage = ProviderUsage(
        provider="openai", key_id="k", model="m", window_start=START, window_end=START + 60,
        input_tokens=1, output_tokens=1, observed_at=START + 90,
    )  # fmt: skip
    question = UseQuestion(
        question_id="q", part=0, key_ids=["k"], window_start=START, window_end=START + 60
    )
    use = UseAnswer(question_id="q", part=0, use=GatewayUse(1, 2, 3, START))
    controls = {
        "key": encode(key_record()), "verdict": encode(verdict()), "provider-usage": encode(usage),
        "calibration": encode(rules().calibration), "gateway-use": encode(question),
    }  # fmt: skip
    window = SpendWindow(
        key_id="k", granularity="1m", window_start=START, spend_usd=1.0, requests=1, errors=0,
        input_tokens=1, output_tokens=1, distinct_sources=1, version=1,
    )  # fmt: skip
    letter = DeadLetter(
        topic="t", offset=1, reason="not_json", detail="d", received_at=START,
        payload=pack_payload(b"{"),
    )  # fmt: skip
    records = [
        incident(), action(), action_result(), verdict(), key_record(), usage, window, use, letter,
    ]  # fmt: skip
    return [
        Target("event", partial(_accept, {}), events),
        Target("packed events", partial(_accept, {CONTENT_TYPE_HEADER: NDJSON}), [packed]),
        *(
            Target(f"control {kind}", partial(_accept, {RECORD_HEADER: kind}), [raw])
            for kind, raw in controls.items()
        ),
        *(
            Target(
                f"record {type(each).__name__}", partial(_record, type(each)), [encode(each)],
                (Refused,),
            )
            for each in records
        ),
        *(
            Target(f"intake {form.name}", partial(_parse, form), sent()[form.name])
            for form in FORMATS
        ),
        Target("state", _state, states, (UnknownStateError,)),
        Target("click", _click, [msgspec.json.encode(CLICK)]),
        Target("interaction", _interaction, [form_of(CLICK)]),
        Target("answer of a gateway", _answer, answers),
    ]  # fmt: skip
