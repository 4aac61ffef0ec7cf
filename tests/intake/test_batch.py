import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake import batch, native
from pipeline.intake.batch import dead_letters, parse
from pipeline.serve.intake import FORMATS, Format
from schemas.topics import MESSAGE_BYTES_MAX

EVENT = {"event_id": "e1", "occurred_at": "2026-01-01T00:00:00Z", "key_id": "k1"}
PROMPT = "a planted prompt"
LONG = "x" * 300 + PROMPT + "x" * 300
ONE = json.dumps(EVENT).encode()


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (ONE, 1),
        (json.dumps(EVENT, indent=2).encode(), 1),
        (b"[%s, %s]" % (ONE, ONE), 2),
        (b"\n \t[%s]" % ONE, 1),
        (b"[]", 0),
        (b"%s\n%s" % (ONE, ONE), 2),
        (b"%s\r\n\r\n%s\r\n" % (ONE, ONE), 2),
    ],
)
def test_three_forms(body: bytes, count: int) -> None:
    found = native.parse(body)
    assert (len(found.events), found.rejected) == (count, [])


BAD = {
    "not_json": b"{nonsense",
    "not_an_object": b"17",
    "missing_field": b'{"event_id":"e","occurred_at":1}',
    "wrong_type": ONE.replace(b'"k1"', b"17"),
    "identifier_length": ONE.replace(b'"k1"', b'"%s"' % (b"k" * 200)),
    "negative_number": ONE[:-1] + b',"input_tokens":-1}',
    "not_finite": ONE[:-1] + b',"cost_usd":NaN}',
    "out_of_range": ONE[:-1] + b',"input_tokens":9999999999999}',
    "bad_time": ONE.replace(b"2026-01-01T00:00:00Z", b"yesterday"),
    "not_utf8": ONE.replace(b"k1", b"\xff\xfe"),
    "too_large": ONE[:-1] + b',"user_agent":"%s"}' % (b"x" * MESSAGE_BYTES_MAX),
}


@pytest.mark.parametrize("reason", sorted(BAD))
def test_a_bad_line_has_its_reason_and_harms_no_other(reason: str) -> None:
    found = parse(b"\n".join([ONE, BAD[reason], ONE]), native.convert)
    assert (len(found.events), found.reasons()) == (2, {reason: 1})
    assert found.rejected[0].index == 1


@pytest.mark.parametrize("body", [b"", b" \n ", b"\n" * 100])
def test_an_empty_body(body: bytes) -> None:
    assert native.parse(body).reasons() == {"empty_message": 1}


@pytest.mark.parametrize("reason", sorted(BAD))
def test_a_bad_item_of_an_array_has_its_reason_and_harms_no_other(reason: str) -> None:
    found = native.parse(b"[%s, %s,%s]" % (ONE, BAD[reason], ONE))
    whole = 1 if reason == "not_json" else 2  # a brace that nobody closes takes the rest with it
    assert (len(found.events), found.reasons()) == (whole, {reason: 1})
    assert found.rejected[0].index == 1


@pytest.mark.parametrize(
    ("rest", "events", "rejected"),
    [
        (b"", 1, 1),
        (b",", 1, 1),
        (b" , ", 1, 1),
        (b", %s" % ONE, 2, 1),
        (b", {", 1, 1),
        (b", %s" % ONE[:-3], 1, 1),
        (b"}, %s]" % ONE, 1, 1),
        (b"] x", 1, 1),
        (b', {"end_user": "],[{\\"", "x": NaN}, %s]' % ONE, 2, 1),
    ],
)
def test_an_array_that_is_damaged_gives_what_is_whole(
    rest: bytes, events: int, rejected: int
) -> None:
    found = native.parse(b"[%s%s" % (ONE, rest))
    assert (len(found.events), len(found.rejected)) == (events, rejected)


@pytest.mark.parametrize("rest", [b"", b",", b" , "])
def test_what_is_missing_of_an_array_that_was_cut_between_items_is_refused(rest: bytes) -> None:
    found = native.parse(b"[%s,%s%s" % (ONE, ONE, rest))
    assert (len(found.events), found.reasons()) == (2, {"not_json": 1})
    (letter,) = dead_letters(found, "events", native.FIELDS, 1_790_000_000.0)
    assert (letter.index, letter.payload) == (2, "")


@pytest.mark.parametrize("body", [b"[", b"[,", b"[ , ] "])
def test_an_array_of_nothing_is_refused(body: bytes) -> None:
    assert native.parse(body).reasons() == {"not_json": 1}


def test_no_text_of_an_array_that_was_cut_short_is_taken_for_an_item() -> None:
    planted = json.dumps(f"a prompt: {json.dumps(EVENT)}, {json.dumps(EVENT)}, ").encode()
    found = native.parse(b'[%s, {"messages": %s' % (ONE, planted[:-1]))
    assert (len(found.events), found.reasons()) == (1, {"not_json": 1})


def test_a_text_full_of_quotes_that_was_cut_short_is_looked_through_once() -> None:
    found = native.parse(b'["' + b'\\"' * 400_000 + b"\\")
    assert found.reasons() == {"not_json": 1}


def test_too_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ITEMS_MAX", 3)
    assert parse(b"\n".join([ONE] * 4), native.convert).reasons() == {"too_large": 1}


def test_a_dead_letter_keeps_known_fields_only() -> None:
    raw = EVENT | {"input_tokens": -1, "messages": "a prompt", "user_agent": "sk-planted-123456"}
    found = parse(json.dumps(raw).encode(), native.convert)
    (letter,) = dead_letters(found, "events", native.FIELDS, 1_790_000_000.0)
    assert json.loads(base64.b64decode(letter.payload)) == EVENT | {
        "input_tokens": -1,
        "user_agent": "<secret>",
    }
    assert (letter.topic, letter.reason, letter.index) == ("intake:events", "negative_number", 0)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("hidden", [{"p": PROMPT}, [{"p": PROMPT}], [[PROMPT]], LONG])
def test_no_field_of_a_refused_item_hides_a_prompt(form: Format, hidden: object) -> None:
    raw = json.dumps(dict.fromkeys(form.fields, hidden)).encode()
    found = parse(raw, native.convert)  # refused, whatever the form
    (letter,) = dead_letters(found, form.name, form.fields, 1_790_000_000.0)
    kept = base64.b64decode(letter.payload)
    assert PROMPT.encode() not in kept
    assert json.loads(kept).keys() == form.fields


def test_an_item_that_is_sent_again_is_the_same_dead_letter_and_no_other_is() -> None:
    sent = [(b"{", 0.0), (b"{", 2.5), (b'{"a', 2.5), (b"[{},{}]", 2.5)]
    letters = [
        letter
        for body, later in sent
        for letter in dead_letters(
            parse(body, native.convert), "events", native.FIELDS, 1_790_000_000.0 + later
        )
    ]
    places = [(each.offset, each.index) for each in letters]
    assert places[0] == places[1]
    assert len(set(places)) == len(places) - 1 == 4
    assert all(0 < offset < 1 << 53 for offset, _ in places)


def test_what_nobody_can_read_is_not_kept() -> None:
    found = parse(b'{"prompt": "hello', native.convert)
    (letter,) = dead_letters(found, "events", native.FIELDS, 1_790_000_000.0)
    assert (letter.reason, letter.payload) == ("not_json", "")


@given(
    st.lists(st.sampled_from([ONE, *(BAD[name] for name in sorted(BAD) if name != "too_large")]))
)
def test_every_line_is_an_event_or_a_dead_letter(lines: list[bytes]) -> None:
    body = b"\n".join([ONE, ONE, *lines])
    found = native.parse(body)
    assert len(found.events) + len(found.rejected) == len(lines) + 2
    assert len(dead_letters(found, "events", native.FIELDS, 0.0)) == len(found.rejected)


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    found = native.parse(body)
    dead_letters(found, "events", native.FIELDS, 0.0)


def test_one_pass_and_line_by_line_give_the_same() -> None:
    lines = [ONE, ONE.replace(b'"k1"', b'"sk-planted-0123456789"'), ONE[:-1] + b',"source":"x"}']
    body = b"\n".join(lines)
    assert native.parse(body).packed() == parse(body, native.convert).packed()
    assert native.parse(b"%s %s" % (ONE, ONE)).reasons() == {"not_json": 1}
