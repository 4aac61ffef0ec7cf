"""Different ids stay different, whatever they look like, and a secret in one never gets through."""

import base64
import json
import random
import string
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dead_letters import to_event
from schemas.redaction import public_key_id
from tests.support.events import KEY, START, events_of, packed, rules, run

ACCEPT = partial(rules().acceptor.accept, whole=True)
ALPHABET = string.ascii_letters + string.digits
SEEDS = st.integers(min_value=0, max_value=2**32)
BEFORE = (
    "task-", "risk-", "desk-", "helpdesk-", "disk-", "ask-", "mask-", "x-sk-", "sk-", "sk-req-",
    "sk-proj-", "AKIA", "prod:sk-", "",
)  # fmt: skip


def line(**changes: object) -> bytes:
    whole = {"event_id": "e", "occurred_at": START, "key_id": KEY}
    return json.dumps(whole | changes).encode()


def token(rng: random.Random, length: int, alphabet: str = ALPHABET) -> str:
    return "".join(rng.choices(alphabet, k=length))


def secrets(rng: random.Random) -> list[str]:
    """What providers and gateways hand out."""
    safe = ALPHABET + "-_"
    return [
        "sk-" + token(rng, 22, safe),
        "sk-" + token(rng, 32, "0123456789abcdef"),
        f"sk-{token(rng, 20)}T3BlbkFJ{token(rng, 20)}",
        f"sk-proj-{token(rng, 74, safe)}T3BlbkFJ{token(rng, 20, safe)}",
        f"sk-ant-api03-{token(rng, 93, safe)}AA",
        "sk-or-v1-" + token(rng, 64, "0123456789abcdef"),
        "AIza" + token(rng, 35, safe),
        "AKIA" + token(rng, 16, string.ascii_uppercase + "234567"),
        "gsk_" + token(rng, 52),
        "xai-" + token(rng, 80),
        "hf_" + token(rng, 34),
    ]


@pytest.mark.parametrize("before", BEFORE)
def test_ten_requests_are_ten(before: str) -> None:
    rng = random.Random(before)  # noqa: S311 # repeatable
    ids = [f"{before}{token(rng, 24, '0123456789abcdef')}" for _ in range(10)]
    outcome = run([packed([line(event_id=each) for each in ids], appended_at=START)])
    assert (outcome.fold.counts["folded"], outcome.fold.counts["duplicate"]) == (10, 0)


@settings(max_examples=60, deadline=None)
@given(
    before=st.sampled_from(BEFORE),
    after=st.lists(st.text(ALPHABET + "-_:", max_size=60), unique=True, min_size=2, max_size=9),
)
def test_ids_stay_distinct_at_the_door_and_through_a_dead_letter(
    before: str, after: list[str]
) -> None:
    ids = [f"x{before}{each}" for each in after]
    events = [line(event_id=each, key_id=each) for each in ids]
    batch = ACCEPT(packed(events, appended_at=START))
    at_the_door = [(each.event_id, each.key_id) for each in events_of(batch)]
    assert len(set(at_the_door)) == len(ids)
    assert at_the_door == [(public_key_id(each), public_key_id(each)) for each in ids]
    # Refused at first, and put back when they can be read.
    refused = ACCEPT(packed(events, appended_at=START - 86_400)).dead_letters
    put_back = [to_event(base64.b64decode(each.payload)) for each in refused]
    assert [key_id for key_id, _ in put_back] == [key_id for _, key_id in at_the_door]
    assert [msgspec.json.decode(each)["event_id"] for _, each in put_back] == [
        event_id for event_id, _ in at_the_door
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    field=st.sampled_from(
        ("event_id", "key_id", "team", "user_agent", "origin", "end_user", "tags", "prompt")
    ),
    before=st.sampled_from(
        (
            "",
            " ",
            '"',
            "'",
            "=",
            ":",
            "/",
            "-",
            "_",
            "(",
            "\n",
            "Bearer ",
            "%3D",
            "\u00ab",
            "apikey",
        )
    ),
    after=st.sampled_from(("", " ", '"', "\n", "/v1", "&a=b")),
    bad=st.sampled_from(({}, {"occurred_at": 0}, {"status": "no"}, {"status": {"sk-": [None]}})),
)
def test_a_secret_gets_through_nowhere(
    seed: int, field: str, before: str, after: str, bad: dict[str, object]
) -> None:
    rng = random.Random(seed)  # noqa: S311 # these secrets open nothing
    for secret in secrets(rng):
        text = before + secret + after
        raw = line(**{field: [text] if field == "tags" else text} | bad)
        for written in (raw, raw[:-2], raw.replace(b"sk-", b"\\u0073k\\u002d")):
            batch = ACCEPT(packed([written, line()], appended_at=START))
            shown = b"".join(map(msgspec.json.encode, [*events_of(batch), *batch.dead_letters]))
            shown += b"".join(base64.b64decode(each.payload) for each in batch.dead_letters)
            assert secret[4:].encode() not in shown


@pytest.mark.parametrize(
    "name",
    [
        "helpdesk-assistant-production-eu-1",
        "ask-service",
        "task-runner-prod-eu-west-1-blue",
        "risk-analytics-platform-01234567890",
        "kafka-msk-cluster-prod-1",
        "TEAM-ASIAPACIFICREGION",
        "xai-prod",
        "hf_inference",
    ],
)
def test_an_ordinary_name_stays(name: str) -> None:
    batch = ACCEPT(packed([line(key_id=name, team=name, tags=[name])], appended_at=START))
    (event,) = events_of(batch)
    assert (event.key_id, event.team, event.tags) == (name, name, [name])
