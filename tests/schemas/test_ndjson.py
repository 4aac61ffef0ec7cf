"""Pieces hold every line once, and none is offered where a line may not be an object."""

import json

import pytest

from schemas import codec
from schemas.ndjson import pieces
from schemas.usage_event import UsageEvent

LINES = [json.dumps({"number": number, "text": {"x": "y" * 600}}).encode() for number in range(99)]


@pytest.mark.parametrize("count", [40, 41, 59, 60, 61, 99])
def test_pieces_are_the_lines_in_their_order(count: int) -> None:
    found = list(pieces(b"\n".join(LINES[:count])) or [])
    assert b"\n".join(text for _, text in found) == b"\n".join(LINES[:count])
    assert [number for number, _ in found] == [len(text.split(b"\n")) for _, text in found]
    assert max(number for number, _ in found) == 20


def test_a_short_body_is_not_worth_it() -> None:
    assert pieces(b"\n".join(LINES[:20])) is None


@pytest.mark.parametrize(
    "between", [b"\n\n", b"\r\n", b"\n ", b" \n", b",\n", b"\n,", b"x\n", b'\n"'], ids=repr
)
def test_no_piece_where_a_line_end_is_not_between_two_objects(between: bytes) -> None:
    body = b"\n".join(LINES[:30]) + between + b"\n".join(LINES[30:60])
    assert pieces(body) is None


@pytest.mark.parametrize("text", ["sk-proj-" + "a1B2" * 12, "task-runner", "\\u0073k-1"])
def test_a_line_that_may_have_a_secret_makes_only_those_near_it_slow(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        b'{"event_id":"%d","occurred_at":1790000000.0,"key_id":"k","end_user":"%s"}'
        % (number, text.encode() if number == 500 else b"somebody")
        for number in range(1_000)
    ]
    one_by_one: list[bytes] = []
    alone = codec.decode_event

    def decode_event(raw: bytes) -> UsageEvent:
        one_by_one.append(raw)
        return alone(raw)

    expected = list(map(alone, lines))
    monkeypatch.setattr(codec, "decode_event", decode_event)
    assert list(codec.decode_lines(b"\n".join(lines))) == expected
    assert lines[500] in one_by_one
    assert len(one_by_one) <= 20
