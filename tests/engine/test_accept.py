"""Bad input becomes a dead letter with its own reason, and the rest of the batch goes on."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.baselines.zones import zone_of
from pipeline.accept import UNREADABLE_BYTES_MAX
from pipeline.dead_letters import to_event
from pipeline.message import Message
from schemas.codec import decode_event, decode_record, encode
from schemas.dead_letter import PAYLOAD_BYTES_MAX, REASONS, DeadLetter
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from schemas.topics import MESSAGE_BYTES_MAX, RECORD_HEADER
from schemas.usage_event import UsageEvent
from tests.support.events import (
    DAY,
    KEY,
    START,
    control,
    event,
    events_of,
    packed,
    rules,
    run,
    single,
)
from tests.support.samples import key_record, verdict

SECRET = "sk-proj-" + "aB3_" * 12
DATA = Path(__file__).parents[1] / "data"
ACCEPT = partial(rules().acceptor.accept, whole=True)


def line(**changes: object) -> bytes:
    """An event as JSON, with fields changed to anything (a value of ... takes it away)."""
    whole = {"event_id": "e", "occurred_at": START, "key_id": KEY} | changes
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{nope", "not_json"),
    "cut off": (line()[:-5], "not_json"),
    "half a surrogate pair": (line().replace(b'"e"', b'"\\ud800"'), "not_json"),
    "half a surrogate pair at the end": (line()[:-1] + b',"team":"\\ud800"}', "not_json"),
    "not UTF-8": (line().replace(b'"e"', b'"\xff\xfe"'), "not_utf8"),
    "an array": (b"[1, 2]", "not_an_object"),
    "a number": (b"7", "not_an_object"),
    "null": (b"null", "not_an_object"),
    "10 MB": (line(tags=["x" * 10_000_000]), "too_large"),
    "no key": (line(key_id=...), "missing_field"),
    "an empty key": (line(key_id=""), "missing_field"),
    "a null key": (line(key_id=None), "missing_field"),
    "no id": (line(event_id=...), "missing_field"),
    "no time": (line(occurred_at=...), "missing_field"),
    "a key that is a number": (line(key_id=5), "wrong_type"),
    "tokens as text": (line(input_tokens="many"), "wrong_type"),
    "tokens with a fraction": (line(input_tokens=1.5), "wrong_type"),
    "tags that are no list": (line(tags="a"), "wrong_type"),
    "a long id": (line(event_id="x" * 129), "identifier_length"),
    "a long key": (line(key_id="x" * 129), "identifier_length"),
    "negative tokens": (line(output_tokens=-1), "negative_number"),
    "a negative cost": (line(cost_usd=-0.01), "negative_number"),
    "a negative latency": (line(latency_ms=-1), "negative_number"),
    "a NaN cost": (line(cost_usd=float("nan")), "not_finite"),
    "an infinite cost": (line(cost_usd=float("inf")), "not_finite"),
    "a cost beyond floats": (line().replace(b"}", b', "cost_usd": 1e999}'), "not_finite"),
    "a cost of a fortune": (line(cost_usd=1e6), "out_of_range"),
    "tokens beyond sense": (line(input_tokens=10**30), "out_of_range"),
    "a status of 30 digits": (line(status=10**30), "out_of_range"),
    "a time that is a word": (line(occurred_at="yesterday"), "bad_time"),
    "a time without a zone": (line(occurred_at="2026-09-21T10:00:00"), "bad_time"),
    "1970": (line(occurred_at=0), "time_too_old"),
    "year 1": (line(occurred_at="0001-01-01T00:00:00+14:00"), "time_too_old"),
    "milliseconds": (line(occurred_at=START * 1000), "time_in_future"),
    "tomorrow": (line(occurred_at=START + 86_400), "time_in_future"),
    "year 9999": (line(occurred_at="9999-12-31T23:59:59-14:00"), "time_in_future"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD)
def test_a_bad_event_alone_is_a_dead_letter_with_its_reason(raw: bytes, reason: str) -> None:
    batch = ACCEPT(single(raw, 41))
    (letter,) = batch.dead_letters
    assert not events_of(batch)
    assert (letter.reason, letter.topic, letter.offset, letter.index) == (
        reason,
        "usage-events",
        41,
        0,
    )
    assert epoch(letter.received_at) == START + 1
    assert letter.detail
    assert "\n" not in letter.detail


@pytest.mark.parametrize(("raw", "reason"), BAD.values(), ids=BAD)
def test_the_rest_of_its_batch_goes_on(raw: bytes, reason: str) -> None:
    good = [event(START, event_id=f"good-{number}") for number in range(4)]
    batch = ACCEPT(packed([good[0], good[1], raw, good[2], raw, good[3]], 7, appended_at=START))
    assert [each.event_id for each in events_of(batch)] == [each.event_id for each in good]
    assert [each.index for each in batch.uses] == [0, 1, 3, 5]
    assert [(each.reason, each.index, each.offset) for each in batch.dead_letters] == [
        (reason, 2, 7),
        (reason, 4, 7),
    ]
    if len(raw) <= PAYLOAD_BYTES_MAX:
        assert base64.b64decode(batch.dead_letters[0].payload) == raw


PROMPT = "a planted prompt"
MORE: dict[str, object] = {
    "messages": [{"content": PROMPT}],
    "response": PROMPT,
    "metadata": {"prompt": PROMPT},
}
REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "key": ({"key_id": KEY, "daily_budget_usd": -1}, "negative_number"),
    "verdict": ({"key_id": KEY, "verdict": "maybe"}, "wrong_type"),
    "nothing known": ({"model": "a"}, "unknown_record"),
}


@pytest.mark.parametrize("size", [0, 3, 300])
def test_what_a_producer_adds_to_an_event_is_not_kept_when_it_is_refused(size: int) -> None:
    raw = line(occurred_at=START + DAY, end_user="u" * size, **MORE)
    for message in (single(raw), packed([line(), raw], appended_at=START)):
        (letter,) = ACCEPT(message).dead_letters
        assert letter.reason == "time_in_future"
        assert PROMPT not in revealed(letter)
        key_id, put_back = to_event(base64.b64decode(letter.payload))
        assert (key_id, decode_event(put_back).end_user) == (KEY, "u" * min(size, 256))


def test_a_gateways_own_form_of_an_event_leaves_no_prompt() -> None:
    (first, *_) = (DATA / "litellm.jsonl").read_text().splitlines()
    raw = json.dumps(json.loads(first)["payload"] | MORE | {"model": {"name": PROMPT}}).encode()
    (letter,) = ACCEPT(single(raw)).dead_letters
    assert json.loads(base64.b64decode(letter.payload))["model"] == {}
    assert PROMPT not in revealed(letter)
    (cut,) = ACCEPT(single(raw[:-1])).dead_letters
    assert (cut.reason, cut.payload) == ("not_json", "")  # and `retry` finds it in the log


@pytest.mark.parametrize("kind", REFUSED)
def test_a_control_record_that_is_refused_keeps_its_own_fields(kind: str) -> None:
    record, reason = REFUSED[kind]
    raw = json.dumps(record | MORE).encode()
    (letter,) = ACCEPT(single(raw, 0, {RECORD_HEADER: kind})).dead_letters
    assert letter.reason == reason
    assert json.loads(base64.b64decode(letter.payload)) == record


@pytest.mark.parametrize("raw", [b"[" + line() + b"]", line()[:-1], b"\xff\xfe"])
def test_what_is_no_object_is_kept_while_it_is_short(raw: bytes) -> None:
    for rest in (0, UNREADABLE_BYTES_MAX - len(raw), UNREADABLE_BYTES_MAX):
        longer = raw + b" " * rest
        (letter,) = ACCEPT(single(longer)).dead_letters
        short = len(longer) <= UNREADABLE_BYTES_MAX
        assert base64.b64decode(letter.payload) == (longer if short else b"")


def test_whole_events_come_only_where_they_are_asked_for() -> None:
    good = [event(START, event_id=f"good-{number}") for number in range(3)]
    message = packed([good[0], line(occurred_at=0), *good[1:]], appended_at=START)
    batch, whole = rules().acceptor.accept(message), ACCEPT(message)
    assert (events_of(batch), events_of(whole)) == ([], good)
    assert batch.key_ids == whole.key_ids == [KEY] * 3
    assert [each.index for each in batch.uses] == [each.index for each in whole.uses] == [0, 2, 3]


@pytest.mark.parametrize(
    ("name", "detail"),
    [("cost_usd", "cost_usd"), ("tell me about my lawsuit", "a field"), ("sk-secret", "a field")],
)
def test_a_refusal_names_a_field_only_if_an_event_has_it(name: str, detail: str) -> None:
    raw = line().replace(b"}", b', "%b": NaN}' % name.encode())
    (letter,) = ACCEPT(single(raw)).dead_letters
    assert (letter.reason, letter.detail) == ("not_finite", f"{detail} is not a finite number")


def test_every_reason_that_a_message_can_have_is_shown_here() -> None:
    elsewhere = {"empty_message", "misplaced_twice", "unknown_record"}
    assert {reason for _, reason in BAD.values()} == set(REASONS) - elsewhere


@pytest.mark.parametrize("value", [b"", b" ", b"\n", b"\n \n\r\n"])
def test_an_empty_message_is_a_dead_letter(value: bytes) -> None:
    for message in (single(value), packed([value])):
        assert [each.reason for each in ACCEPT(message).dead_letters] == ["empty_message"]


@pytest.mark.parametrize("gap", [b"\n", b"\n\n", b"\n \n", b"\r\n", b"\n\r\n\t\n"])
def test_lines_keep_their_numbers_whatever_stands_between(gap: bytes) -> None:
    good, bad = line(), line(occurred_at=0)
    value = gap.join((good, bad, good)) + gap
    batch = ACCEPT(packed([value], appended_at=START))
    places = [number for number, each in enumerate(value.split(b"\n")) if each.strip()]
    assert [each.index for each in batch.uses] == [places[0], places[2]]
    (letter,) = batch.dead_letters
    assert letter.index == places[1]
    assert base64.b64decode(letter.payload).strip() == bad


def test_lines_keep_their_numbers_after_an_empty_first_line() -> None:
    batch = ACCEPT(packed([b"", line(), line(occurred_at=0)], appended_at=START))
    assert [each.index for each in batch.uses] == [1]
    assert [each.index for each in batch.dead_letters] == [2]


@pytest.mark.parametrize("between", [b"", b" ", b"\t"])
def test_two_events_on_a_line_are_no_event(between: bytes) -> None:
    batch = ACCEPT(packed([line() + between + line(occurred_at=0), line()], appended_at=START))
    assert [(each.reason, each.index) for each in batch.dead_letters] == [("not_json", 0)]
    assert [each.index for each in batch.uses] == [1]


def test_an_event_over_several_lines_is_no_event() -> None:
    batch = ACCEPT(packed([json.dumps(json.loads(line()), indent=1).encode()], appended_at=START))
    assert not events_of(batch)
    assert {each.reason for each in batch.dead_letters} == {"not_json"}


@pytest.mark.parametrize("long", [False, True])
def test_lines_are_no_lines_even_when_their_number_is_right(*, long: bool) -> None:
    spread = line().replace(b", ", b",\n", 1)
    more = [line(tags=["x" * 20_000])] if long else []
    batch = ACCEPT(packed([line() + line(), spread, *more], appended_at=START))
    assert [each.index for each in batch.uses] == ([3] if long else [])
    assert [letter.index for letter in batch.dead_letters] == [0, 1, 2]


@pytest.mark.parametrize("gap", [b"\n", b"\n\n", b"\r\n", b" \n", b""])
def test_many_lines_keep_their_numbers_whatever_stands_between(gap: bytes) -> None:
    good = [line(event_id=str(number)) for number in range(300)]
    for value in (gap.join(good), b"\n" + gap.join(good), gap.join(good) + b"\n\n"):
        batch = ACCEPT(packed([value], appended_at=START))
        places = [number for number, each in enumerate(value.split(b"\n")) if each.strip()]
        assert [each.index for each in batch.uses] == ([] if not gap else places)
        assert len(batch.dead_letters) == (0 if gap else 1)


@pytest.mark.parametrize(
    "bad", [line() + line(), line(key_id="x" * 129), line(status="ok"), line()[:-1] + b', "a":1}}']
)
def test_one_bad_line_among_many_is_the_only_one_refused(bad: bytes) -> None:
    good = [line(event_id=str(number)) for number in range(300)]
    batch = ACCEPT(packed([*good[:150], bad, *good[150:]], appended_at=START))
    assert [letter.index for letter in batch.dead_letters] == [150]
    assert base64.b64decode(batch.dead_letters[0].payload) == bad
    assert [each.event_id for each in events_of(batch)] == [str(number) for number in range(300)]
    assert [each.index for each in batch.uses] == [*range(150), *range(151, 301)]


def test_a_line_that_is_too_long_is_refused_in_a_packed_message_too() -> None:
    long = line(tags=["x" * MESSAGE_BYTES_MAX])
    batch = ACCEPT(packed([line(), long, line()], appended_at=START))
    assert [(each.reason, each.index) for each in batch.dead_letters] == [("too_large", 1)]
    assert batch.dead_letters[0].payload == ""
    assert len(events_of(batch)) == 2


def test_the_limits_of_time_are_as_stated() -> None:
    def reasons(at: float) -> list[str]:
        return [
            each.reason
            for each in ACCEPT(packed([line(occurred_at=at)], appended_at=START)).dead_letters
        ]

    assert reasons(START + 300) == []
    assert reasons(START + 300.01) == ["time_in_future"]
    assert reasons(1_262_304_000) == []
    assert reasons(1_262_303_999.9) == ["time_too_old"]


FRAMED: dict[str, object] = {
    "status": None, "input_tokens": 200.0, "output_tokens": None, "stream": None,
    "cost_usd": 2.0, "team": None, "tags": None,
}  # fmt: skip
"""As a data frame writes an event: null where there is nothing, whole numbers as floats."""


@pytest.mark.parametrize("wrap", [single, lambda raw: packed([raw, line()])])
def test_an_event_of_a_data_frame_is_one(wrap: Callable[[bytes], Message]) -> None:
    batch = ACCEPT(wrap(line(**FRAMED)))
    assert not batch.dead_letters
    assert events_of(batch)[0] == UsageEvent(
        event_id="e", occurred_at=START, key_id=KEY, input_tokens=200, cost_usd=2.0
    )


@pytest.mark.parametrize(
    ("leap", "read"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2016-12-31t23:59:60.25z", "2016-12-31T23:59:59.25Z"),
        ("2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59Z"),
        ("2016-12-31 15:59:60.999999999-0800", "2017-01-01T00:00:00Z"),
    ],
)
def test_a_leap_second_is_the_second_before_it(leap: str, read: str) -> None:
    batch = ACCEPT(packed([line(occurred_at=leap, team=f"since {leap}"), line()]))
    assert not batch.dead_letters
    assert epoch(events_of(batch)[0].occurred_at) == datetime.fromisoformat(read).timestamp()
    assert events_of(batch)[0].team == f"since {leap}"
    told = json.dumps({"key_id": KEY, "created_at": leap}).encode()
    (record,) = ACCEPT(single(told, 0, {RECORD_HEADER: "key"})).controls
    assert isinstance(record, KeyRecord)
    assert record.created_at == datetime.fromisoformat(read)


@pytest.mark.parametrize(
    "at", ["2016-12-31T23:59:61Z", "2016-12-31T23:60:60Z", "2016-12-31T23:59:60"]
)
def test_no_other_second_is_one_too_many(at: str) -> None:
    (letter,) = ACCEPT(single(line(occurred_at=at))).dead_letters
    assert letter.reason == "bad_time"


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"event_id": None}, "missing_field", "event_id"),
        ({"input_tokens": 200.5}, "wrong_type", "input_tokens"),
        ({"input_tokens": -200.0}, "negative_number", "input_tokens"),
        ({"input_tokens": 1e300}, "out_of_range", "input_tokens"),
        ({"stream": 1.0}, "wrong_type", "stream"),
    ],
)
def test_what_a_data_frame_cannot_excuse_is_refused_by_its_own_reason(
    changes: dict[str, object], reason: str, field: str
) -> None:
    (letter,) = ACCEPT(single(line(**FRAMED | changes))).dead_letters
    assert (letter.reason, letter.detail.split()[0].rstrip(":")) == (reason, field)


def bill(seconds: float, **changes: object) -> dict[str, object]:
    """A bill for a window of so many seconds."""
    return {
        "provider": "p", "key_id": KEY, "window_start": START, "window_end": START + seconds,
        "cost_usd": 50, "observed_at": START,
    } | changes  # fmt: skip


def test_control_records_of_a_data_frame_are_taken() -> None:
    bodies: dict[str, dict[str, object]] = {
        "key": {"key_id": KEY, "protected": None, "canary": None, "status": None, "tags": None},
        "provider-usage": bill(1, input_tokens=None, output_tokens=7.0, requests=3.0),
    }
    for kind, body in bodies.items():
        batch = ACCEPT(single(json.dumps(body).encode(), 0, {RECORD_HEADER: kind}))
        assert not batch.dead_letters
        assert len(batch.controls) == 1


THRESHOLDS = {"version": "1", "created_at": START, "page_nats": 7, "ticket_nats": 4}
CONTROLS: dict[str, tuple[str, dict[str, object], str]] = {
    "a record of no kind": ("gossip", {}, "unknown_record"),
    "a verdict without a key": (
        "verdict",
        {"incident_id": "i", "verdict": "leak", "by": "a", "at": START},
        "missing_field",
    ),
    "a verdict of no kind": (
        "verdict",
        {"incident_id": "i", "key_id": KEY, "verdict": SECRET, "by": "a", "at": START},
        "wrong_type",
    ),
    "a verdict at the edge of the calendar": (
        "verdict",
        {
            "incident_id": "i",
            "key_id": KEY,
            "verdict": "leak",
            "by": "a",
            "at": "0001-01-01T00:00:00+14:00",
        },
        "out_of_range",
    ),
    "provider usage of nobody": ("provider-usage", bill(3600, key_id=None), "missing_field"),
    "a bill from a time that is a word": (
        "provider-usage",
        bill(3600, window_start="yesterday"),
        "bad_time",
    ),
    "a key made at a time without a zone": (
        "key",
        {"key_id": KEY, "created_at": "2026-09-21T10:00:00"},
        "bad_time",
    ),
    "a key that ends at a list": ("key", {"key_id": KEY, "expires_at": [START]}, "bad_time"),
    "a verdict given some day": (
        "verdict",
        {"incident_id": "i", "key_id": KEY, "verdict": "leak", "by": "a", "at": "soon"},
        "bad_time",
    ),
    "a key on Mars": ("key", {"key_id": KEY, "timezone": "Mars/Base"}, "wrong_type"),
    "a status that is no time": ("key", {"key_id": KEY, "status": "datetime"}, "wrong_type"),
    "a bill for a window that ends before it starts": ("provider-usage", bill(-3600), "bad_time"),
    "a bill for no time": ("provider-usage", bill(0), "bad_time"),
    "a bill for less than a second": ("provider-usage", bill(0.9), "bad_time"),
    "a negative budget": ("key", {"key_id": KEY, "daily_budget_usd": -1}, "negative_number"),
    "a calibration that pages for nothing": (
        "calibration",
        {"version": "1", "created_at": START, "page_nats": 0, "ticket_nats": 1},
        "out_of_range",
    ),
    "a calibration that pages for nothing that there is": (
        "calibration",
        {"version": "1", "created_at": START, "page_nats": 1e9, "ticket_nats": 1},
        "out_of_range",
    ),
    "a calibration by which a cohort is never told": (
        "calibration",
        THRESHOLDS | {"cohorts": {"prod": 1e9}},
        "out_of_range",
    ),
    "a weight without bounds": (
        "calibration",
        THRESHOLDS | {"weights": {"canary": 1e308}},
        "out_of_range",
    ),
    "evidence that counts against itself": (
        "calibration",
        THRESHOLDS | {"weights": {"canary": -1.0}},
        "out_of_range",
    ),
}


@pytest.mark.parametrize(("kind", "body", "reason"), CONTROLS.values(), ids=CONTROLS)
def test_a_bad_control_record_is_a_dead_letter(
    kind: str, body: Mapping[str, object], reason: str
) -> None:
    message = single(json.dumps(body).encode(), 3, {RECORD_HEADER: kind})
    batch = ACCEPT(message)
    assert [(each.reason, each.offset) for each in batch.dead_letters] == [(reason, 3)]
    assert not batch.controls
    assert SECRET not in revealed(batch.dead_letters[0])


def test_the_detail_names_the_field_and_what_it_should_be() -> None:
    raw = json.dumps(bill(3600, observed_at="Monday")).encode()
    (letter,) = ACCEPT(single(raw, 0, {RECORD_HEADER: "provider-usage"})).dead_letters
    assert letter.detail == "observed_at is neither RFC 3339 with an offset nor a number"


@pytest.mark.parametrize(
    "zone",
    [
        *("Europe/Vienna", "Asia/Kolkata", "Etc/GMT+5", "UTC", "UTC+9", "UTC-11", "", None),
        *("Mars/Base", "America", "x" * 5_000, "../../etc/passwd", "\x00", "UTC+24", "UTC+9h"),
    ],
)
def test_a_time_zone_is_refused_where_its_hours_would_be_those_of_utc(zone: str | None) -> None:
    raw = json.dumps({"key_id": KEY, "canary": True, "timezone": zone}).encode()
    batch = ACCEPT(single(raw, 0, {RECORD_HEADER: "key"}))
    unknown = zone not in {"UTC", "", None} and zone_of(zone) is zone_of(None)
    assert len(batch.controls) == (0 if unknown else 1)
    said = [each.detail for each in batch.dead_letters]
    named = "timezone is neither an IANA name nor hours east of UTC, as in UTC+9"
    assert said == ([named] if unknown else [])


@pytest.mark.parametrize(
    ("countries", "said"),
    [
        (["DE", "gb", "XK"], None),
        ([], None),
        (["UK"], "allowed_countries[0] is no ISO 3166-1 alpha-2 code; GB is meant, it seems"),
        (
            ["AT", "Germany"],
            "allowed_countries[1] is no ISO 3166-1 alpha-2 code; DE is meant, it seems",
        ),
        ([" fr"], "allowed_countries[0] is no ISO 3166-1 alpha-2 code; FR is meant, it seems"),
        (["EU"], "allowed_countries[0] is no ISO 3166-1 alpha-2 code, as DE or GB"),
        ([""], "allowed_countries[0] is no ISO 3166-1 alpha-2 code, as DE or GB"),
        ([SECRET], "allowed_countries[0] is no ISO 3166-1 alpha-2 code, as DE or GB"),
    ],
)
def test_a_country_is_refused_where_all_others_would_be_forbidden(
    countries: list[str], said: str | None
) -> None:
    raw = json.dumps({"key_id": KEY, "canary": True, "allowed_countries": countries}).encode()
    batch = ACCEPT(single(raw, 0, {RECORD_HEADER: "key"}))
    assert len(batch.controls) == (1 if said is None else 0)
    assert [each.detail for each in batch.dead_letters] == ([] if said is None else [said])


def test_a_registry_entry_that_an_earlier_release_took_in_goes_on() -> None:
    entry = KeyRecord(key_id=KEY, timezone="Mars/Base")
    assert decode_record(encode(entry), KeyRecord) == entry


def revealed(letter: DeadLetter) -> str:
    """Everything that a dead letter shows."""
    raw = msgspec.json.encode(letter) + base64.b64decode(letter.payload)
    return raw.decode(errors="replace")


@pytest.mark.parametrize(
    "field", ["key_id", "user_agent", "end_user", "origin", "event_id", "tags"]
)
@pytest.mark.parametrize("bad", [{}, {"input_tokens": -1}, {"occurred_at": 0}], ids=str)
@pytest.mark.parametrize("first", [b"sk-", b"\\u0073k\\u002D"], ids=["plain", "escaped"])
def test_a_planted_secret_never_gets_through(
    field: str, bad: dict[str, object], first: bytes
) -> None:
    value: object = [SECRET] if field == "tags" else SECRET
    raw = line(**({field: value} | bad)).replace(b"sk-", first)
    batch = ACCEPT(packed([raw, line()], appended_at=START))
    assert len(events_of(batch)) + len(batch.dead_letters) == 2
    shown = " ".join(revealed(each) for each in batch.dead_letters)
    shown += " ".join(msgspec.json.encode(each).decode() for each in events_of(batch))
    assert SECRET not in shown
    assert SECRET[3:] not in shown


def test_a_raw_key_becomes_its_hash_in_events_and_control_records_alike() -> None:
    batch = ACCEPT(single(line(key_id=SECRET)))
    (key_id,) = batch.key_ids
    assert key_id.startswith("sha256:")
    assert [each.key_id for each in events_of(batch)] == [key_id]
    registry = single(json.dumps({"key_id": SECRET, "alias": f"was {SECRET}"}).encode(), 0)
    message = Message("t", 0, 0, registry.value, START, headers={RECORD_HEADER: "key"})
    (record,) = ACCEPT(message).controls
    assert isinstance(record, KeyRecord)
    assert record.key_id == key_id
    assert SECRET not in repr(record)


@pytest.mark.parametrize(
    "kind",
    ["application/x-ndjson; charset=utf-8", "application/x-ndjson;x=y", "Application/X-NDJSON"],
)
def test_parameters_of_the_content_type_leave_a_message_packed(kind: str) -> None:
    lines = packed([event(START), b"no event", event(START + 1)])
    message = Message("t", 0, 0, lines.value, START + 9, headers={"content-type": kind})
    batch = ACCEPT(message)
    assert len(batch.uses) == 2
    assert [(each.index, each.reason) for each in batch.dead_letters] == [(1, "not_json")]


def test_no_address_and_garbage_both_mean_no_source() -> None:
    for garbage in ("nonsense", "999.1.1.1", "::::", "1.2.3.4.5", "\u0661.2.3.4", ""):
        (use,) = ACCEPT(single(event(START, client_ip=garbage))).uses
        assert use.kind.source is None
    outcome = run([packed([event(START, client_ip="nonsense"), event(START + 1, client_ip=None)])])
    assert outcome.fold.counts["no_source"] == 2
    assert outcome.fold.counts["folded"] == 2


def test_a_model_without_a_price_is_counted_and_not_free() -> None:
    events = [
        event(START, cost_usd=None, model="nobody/knows"),
        event(START + 1, cost_usd=None, model="gpt-4o-mini"),
        event(START + 2, cost_usd=0.5),
    ]
    outcome = run([packed(events)])
    assert outcome.fold.counts["unpriced"] == 1
    (row,) = [row for row in outcome.rows.values() if row.granularity == "1d"]
    assert row.unpriced_requests == 1
    assert row.spend_usd > 0.5


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(UsageEvent.__struct_fields__))
NEARLY = st.dictionaries(FIELDS, ANY_JSON, max_size=6).map(lambda found: line(**found))
LINES = (
    st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()) | NEARLY
).map(lambda raw: raw.replace(b"\n", b""))


@settings(max_examples=120, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=6))
def test_whatever_comes_is_an_event_or_a_dead_letter(lines: list[bytes]) -> None:
    message = packed(lines, appended_at=START)
    batch = ACCEPT(message)
    filled = sum(bool(each.strip()) for each in lines)
    assert len(events_of(batch)) + len(batch.dead_letters) == max(1, filled)
    outcome = run([message])
    assert len(outcome.dead_letters) == len(batch.dead_letters)
    assert sum(outcome.fold.counts[name] for name in ("folded", "late", "duplicate")) == len(
        events_of(batch)
    )


@settings(max_examples=120, deadline=None)
@given(
    value=st.binary(max_size=80) | NEARLY | ANY_JSON.map(lambda value: json.dumps(value).encode()),
    kind=st.sampled_from(("usage", "verdict", "key", "provider-usage", "calibration", "", "?")),
)
def test_whatever_a_message_claims_to_be_nothing_raises(value: bytes, kind: str) -> None:
    message = single(value, 0, {RECORD_HEADER: kind})
    batch = ACCEPT(message)
    assert len(events_of(batch)) + len(batch.dead_letters) + len(batch.controls) == 1
    run([message, packed([event(START)], 1)])


def test_control_records_of_all_kinds_are_taken() -> None:
    assert ACCEPT(control("key", key_record())).controls
    assert ACCEPT(control("verdict", verdict())).controls
