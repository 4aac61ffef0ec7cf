"""Counting different things in bounded space: exact while few, close while many."""

import random

from xxhash import xxh3_64_intdigest

from detectors.baselines.sketch import SIZE, distinct, note


def sketch(names: list[str]) -> list[int]:
    kept: list[int] = []
    for name in names:
        note(kept, xxh3_64_intdigest(name.encode()))
    return kept


def test_few_are_counted_exactly_however_often_they_come() -> None:
    names = [f"user-{n}" for n in range(SIZE - 1)]
    assert distinct(sketch([])) == 0
    assert distinct(sketch(names * 3)) == SIZE - 1


def test_many_are_estimated_in_bounded_space() -> None:
    kept = sketch([f"user-{n}" for n in range(20_000)])
    assert len(kept) == SIZE
    assert 0.6 * 20_000 < distinct(kept) < 1.6 * 20_000


def test_order_and_repetition_change_nothing() -> None:
    names = [f"user-{n}" for n in range(500)]
    shuffled = names * 2
    random.Random(1).shuffle(shuffled)  # noqa: S311 - no secret
    assert sketch(shuffled) == sketch(names) == sorted(sketch(names))
