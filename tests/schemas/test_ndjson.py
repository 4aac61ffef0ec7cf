"""Pieces hold every line once, and none is offered where a line may not be an object."""

import json

import pytest

from schemas.ndjson import pieces

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
