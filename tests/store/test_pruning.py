"""What the store reads for an answer: months and keys that were not asked for are left alone."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from pipeline.store import Rows, Store, history
from pipeline.store.history import event_lines

KEYS, EVENTS = 50, 180_000
FILL = """
INSERT INTO usage_events (event_id, occurred_at, key_id, cost_usd, priced, client_ip, precedence)
SELECT
    toString(number),
    toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + toIntervalMinute(number % (90 * 1440)),
    concat('key-', leftPad(toString(number % {keys:UInt32}), 2, '0')),
    1, true, '192.0.2.1', number
FROM numbers({events:UInt32})
"""
"""90 days, which lie in three months."""
Asked = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def three_months(store: Store) -> Store:
    store.change(FILL, {"keys": KEYS, "events": EVENTS})
    return store


@pytest.fixture
def asked(three_months: Store, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every query to the store."""
    found: Asked = []
    query = three_months.query

    def spy(sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        found.append((sql, params or {}))
        return query(sql, params)

    monkeypatch.setattr(three_months, "query", spy)
    return found


def read_share(explained: Iterable[tuple[Any, ...]]) -> float:
    """Of the rows of a table the share that the engine means to read, by its own account."""
    granules = [re.search(r"Granules: (\d+)/(\d+)", line) for (line,) in explained]
    found = [(int(each[1]), int(each[2])) for each in granules if each]
    return found[-1][0] / found[0][1]


def shares(store: Store, asked: Asked) -> list[float]:
    return [
        read_share(Store.query(store, f"EXPLAIN indexes = 1 {sql}", params).rows)
        for sql, params in list(asked)
    ]


def test_the_history_of_a_key_is_looked_up(three_months: Store, asked: Asked) -> None:
    assert len(list(event_lines(three_months, "key-07"))) == EVENTS / KEYS
    assert len(asked) == 2
    assert max(shares(three_months, asked)) < 0.3


def test_a_history_is_the_same_however_it_is_fetched(
    three_months: Store, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(event_lines(three_months, "key-07"))
    monkeypatch.setattr(history, "HELD_MAX", 500)
    assert list(event_lines(three_months, "key-07")) == whole
    assert len(asked) > 8
