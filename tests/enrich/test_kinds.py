"""Kinds of request are remembered: in how many bytes must not be for a client to choose."""

import tracemalloc
from ipaddress import IPv4Address

import pytest

from pipeline.enrich.kinds import TEXT_LENGTH_MAX, Kinds
from pipeline.enrich.sources import CACHE_MAX, Address, Locator
from tests.support.events import HOME, START, event

DIFFERENT = 500
KIND_BYTES_MAX = 8_192


@pytest.mark.parametrize("field", ["user_agent", "model", "operation", "client_ip"])
def test_what_is_remembered_of_a_kind_is_bounded(field: str) -> None:
    kinds = Kinds(Locator())
    kinds.of(event(START), None)  # what is known of addresses is read once
    tracemalloc.start()
    try:
        for number in range(DIFFERENT):
            text = f"x/{number} " + "a" * 50_000 + f", {number}"
            kinds.of(event(START, **{field: text}), None)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept <= DIFFERENT * KIND_BYTES_MAX


def test_an_address_is_remembered_for_as_long_as_its_kinds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    described: list[Address] = []
    monkeypatch.setattr(Locator, "_describe", lambda _, address: described.append(address))
    locator = Locator()
    for number in [*range(CACHE_MAX)] * 2:
        locator.locate(str(IPv4Address(number)))
    assert len(described) == CACHE_MAX


def test_texts_that_differ_beyond_what_is_looked_at_are_of_one_kind() -> None:
    kinds, beginning = Kinds(Locator()), "curl/8.5.0 ".ljust(TEXT_LENGTH_MAX, "x")
    short, *long = (
        kinds.of(event(START, user_agent=beginning + rest), None) for rest in ("", "a", "b" * 9_000)
    )
    assert all(each is short for each in long)
    assert "\tcurl\t" in short.token


def test_a_long_forwarded_list_is_read_from_its_right_end() -> None:
    kind = Kinds(Locator()).of(event(START, client_ip="x" * 50_000 + ", " + HOME[0]), None)
    assert kind.source is not None
    assert kind.source.ip == HOME[0]
