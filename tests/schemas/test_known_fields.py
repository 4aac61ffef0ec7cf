import json

import pytest

from schemas.known_fields import TEXTS_MAX, known_fields
from schemas.redaction import TEXT_LENGTH_MAX, public_key_id

PROMPT = "a planted prompt"
SECRET = "sk-proj-" + "aB3_" * 100


def kept(value: object, name: str = "model") -> object:
    found = known_fields(json.dumps({name: value, "messages": PROMPT}).encode(), {name})
    assert found is not None
    assert PROMPT.encode() not in found
    return json.loads(found)[name]


@pytest.mark.parametrize("value", [None, True, 17, 0.5, "gpt-4o", "", [], {}, ["a", 1, None]])
def test_what_a_field_may_hold_stays(value: object) -> None:
    assert kept(value) == value


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"content": PROMPT}, {}),
        ([{"content": PROMPT}, [PROMPT], "a"], [{}, [], "a"]),
        ("x" * 900 + PROMPT, "x" * TEXT_LENGTH_MAX),
        (["x" * 900] * 90, ["x" * TEXT_LENGTH_MAX] * TEXTS_MAX),
    ],
)
def test_what_it_should_not_hold_is_left_out_and_its_kind_stays(
    value: object, left: object
) -> None:
    assert kept(value) == left


def test_what_counts_of_a_long_text_stays() -> None:
    assert (
        kept("9.9.9.9, " * 90 + "192.0.2.7", "client_ip")
        == (("9.9.9.9, " * 90 + "192.0.2.7")[-TEXT_LENGTH_MAX:])
    )
    assert kept(SECRET, "key_id") == public_key_id(SECRET)
    assert SECRET[:40] not in str(kept("x" * (TEXT_LENGTH_MAX - 50) + " " + SECRET))


@pytest.mark.parametrize(
    "raw", [b'{"model": "a"}', b'{ "model":1e999,  "status": NaN }', b'{"model": "\\ud800"}', b"{}"]
)
def test_what_has_known_fields_alone_stays_as_it_is(raw: bytes) -> None:
    assert known_fields(raw, {"model", "status"}) == raw


@pytest.mark.parametrize(
    "raw", [b'{"prompt": "x', b'"x"', b"[1]", b"", b"\xff", b'{"a":' * 100_000]
)
def test_nobody_can_tell_what_is_in_what_is_no_object(raw: bytes) -> None:
    assert known_fields(raw, {"model"}) is None


def test_a_number_too_long_to_be_one_hides_no_prompt() -> None:
    raw = b'{"model": 1, "x": %s, "messages": "%s"}' % (b"1" * 9_000, PROMPT.encode())
    assert known_fields(raw, {"model"}) == b'{"model": 1}'


@pytest.mark.parametrize("first", [PROMPT, {"content": PROMPT}, [{"content": PROMPT}]])
def test_what_a_record_says_twice_is_what_it_says_last(first: object) -> None:
    raw = b'{"model": %s, "model": "a", "status": 200}' % json.dumps(first).encode()
    assert known_fields(raw, {"model", "status"}) == b'{"model": "a", "status": 200}'


def test_what_is_no_ascii_can_be_searched_for() -> None:
    raw = rb'{"end_user": "J\u00fcrgen \ud800", "messages": ""}'
    found = known_fields(raw, {"end_user"})
    assert found == r'{"end_user": "Jürgen \ud800"}'.encode()
    assert json.loads(found) == {"end_user": "Jürgen \ud800"}
