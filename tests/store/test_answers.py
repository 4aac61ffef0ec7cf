"""What the named questions answer where a simpler query would mislead."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from pipeline.enrich.sources import Source
from pipeline.store import Store
from pipeline.store.questions import run_question
from pipeline.store.rows import (
    ACTION_RESULTS,
    ACTIONS,
    INCIDENTS,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    VERDICTS,
)
from schemas.action import Action, ActionResult
from schemas.incident import Incident
from tests.store.records import (
    ACTION,
    AT,
    INCIDENT,
    RESULT,
    SIGNAL,
    VERDICT,
    WINDOW,
    usage,
)
from tests.store.test_client import SOURCE, accepted, packed

DAY = timedelta(days=1)


def ask(store: Store, name: str, **params: str) -> list[dict[str, object]]:
    return run_question(store, name, params).dicts()


def test_who_spent_most_is_first_whenever_that_was(store: Store) -> None:
    day = replace(WINDOW, granularity="1d")
    store.insert(
        SPEND_WINDOWS,
        [
            replace(day, key_id="spender", spend_usd=500.0),
            replace(day, key_id="lately", window_start=day.window_start + 9 * DAY, spend_usd=1.0),  # type: ignore[operator]  # the record has a datetime
            replace(day, key_id="lately", spend_usd=900.0),
        ],
    )
    assert [row["key_id"] for row in ask(store, "top-keys", limit="1")] == ["spender"]
    assert [row["spend_usd"] for row in ask(store, "top-keys")] == [500, 1]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("top-keys", {}),
        ("spend-per-hour", {"key": "key-1"}),
        ("key-sources", {"key": "key-1"}),
        ("model-mix", {}),
        ("new-sources", {"since": "2026-03-29T01:30:05Z"}),
        ("spend-by-key", {}),
        ("spend-by-team", {}),
    ],
)
def test_what_has_no_price_is_not_shown_as_free(
    store: Store, name: str, params: dict[str, str]
) -> None:
    store.insert(SPEND_WINDOWS, [WINDOW, replace(WINDOW, granularity="1d")])
    elsewhere = replace(SOURCE, asn=64501)
    free = [accepted(usage(n, key_id="key-1"), priced=False, source=elsewhere) for n in (8, 9)]
    known = accepted(usage(1, key_id="key-1"), source=SOURCE)
    store.insert(USAGE_EVENTS, packed([known, *free]))
    assert 2 in {row["unpriced_requests"] for row in ask(store, name, **params)}


def at(ip: str, network: str | None = None) -> Source:
    return Source(ip=ip, prefix="", country="DE", asn=None, network=network, kind=None, digest=1)


def test_a_new_network_is_seen_where_none_has_a_name(any_store: Store) -> None:
    old = ["192.0.2.1", "2001:db8:1:2::1"]
    new = ["192.0.2.200", "192.0.3.1", "2001:db8:1:9::1", "2001:db8:2::1"]
    uses = [accepted(usage(n, key_id="k"), source=at(ip)) for n, ip in enumerate(old)]
    uses += [accepted(usage(100 + n, key_id="k"), source=at(ip)) for n, ip in enumerate(new)]
    uses.append(accepted(usage(200, key_id="k"), source=at("203.0.113.1", "Example")))
    any_store.insert(USAGE_EVENTS, packed(uses))
    found = ask(any_store, "new-sources", since="2026-03-29T01:31:00Z")
    assert {row["network"] for row in found} == {"192.0.3.0/24", "2001:db8:2::/48", "Example"}


def revoked(incident: str, status: str, seconds: int) -> tuple[Action, ActionResult]:
    asked = replace(ACTION, action_id=f"{incident}-{status}", incident_id=incident, dry_run=False)
    when = AT + timedelta(seconds=seconds)
    return asked, replace(RESULT, action_id=asked.action_id, status=status, at=when)


def paged(incident: str, seconds: int) -> Incident:
    when = AT + timedelta(seconds=seconds)
    return replace(INCIDENT, incident_id=incident, detected_at=when)


def test_the_time_to_contain_is_that_of_a_revocation(store: Store) -> None:
    unpaged = replace(INCIDENT, incident_id="unpaged", severity="ticket")
    before = replace(unpaged, incident_id="before", revision=1)
    store.insert(INCIDENTS, [paged("known", 10), unpaged, before, paged("before", 500)])
    pairs = [
        revoked("known", "done", 40),
        revoked("known", "verified", 90),
        revoked("unpaged", "verified", 40),
        revoked("before", "done", 60),
    ]
    throttled = replace(pairs[0][0], action_id="throttle", kind="throttle")
    store.insert(ACTIONS, [throttled, *(asked for asked, _ in pairs)])
    early = replace(RESULT, action_id="throttle", at=AT + timedelta(seconds=11))
    store.insert(ACTION_RESULTS, [early, *(result for _, result in pairs)])
    rows = {row["incident_id"]: list(row.values())[4:8] for row in ask(store, "time-to-contain")}
    assert rows == {
        "known": ["verified", 90.0, 10.0, 80.0],
        "unpaged": ["verified", 40.0, None, None],
        "before": ["done", 60.0, 500.0, None],
    }


def test_a_detector_is_judged_by_the_pages_that_it_raised(store: Store) -> None:
    later = replace(SIGNAL, detector="slow_ramp")
    store.insert(
        INCIDENTS,
        [
            replace(INCIDENT, revision=1, severity="ticket", signals=[later]),
            INCIDENT,
            replace(INCIDENT, revision=3, signals=[SIGNAL, later]),
        ],
    )
    store.insert(VERDICTS, [replace(VERDICT, verdict="benign")])
    review = ask(store, "false-page-review")
    assert [(row["detector"], row["judged_false"]) for row in review] == [("new_source", 1)]


def test_the_team_of_a_key_is_that_of_its_last_request(store: Store) -> None:
    events = [
        usage(n, key_id="k", event_id=f"{n * 37 % 50:03d}", team="old" if n < 40 else "new")
        for n in range(50)
    ]
    store.insert(USAGE_EVENTS, packed([accepted(event) for event in events]))
    assert [row["team"] for row in ask(store, "spend-by-key")] == ["new"]
