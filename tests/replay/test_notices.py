"""What people would have been told of a replay: a fleet that changes at once is one message."""

import io
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from pipeline.notify.storm import SHARED_MIN
from pipeline.replay.notices import Notices
from pipeline.replay.run import Results
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.notice import Notice
from schemas.usage_event import UsageEvent
from tests.notify.test_storm import moved, past
from tests.support.events import ABROAD, in_time, messages, office, run, thief, workday


def told(incidents: list[Incident]) -> list[Notice]:
    file = io.BytesIO()
    notices = Notices(file)
    for each in incidents:
        notices.take([], Results([each], []))
    notices.write()
    return [msgspec.json.decode(line, type=Notice) for line in file.getvalue().splitlines()]


def test_every_incident_is_in_exactly_one_message() -> None:
    incidents = [moved(number) for number in range(30)]
    worse = msgspec.structs.replace(moved(20, spend_spike=8.0, newcomer_rush=7.0), revision=2)
    over = msgspec.structs.replace(moved(21), revision=2, status="resolved", severity="info")
    notices = told([*incidents, worse, over])
    count = Counter(incident_id for each in notices for incident_id in each.incident_ids)
    assert count == dict.fromkeys((each.incident_id for each in incidents), 1)
    (fleet,) = [each for each in notices if each.shared is not None]
    assert fleet.shared == "prefix=198.51.100.0/24"
    assert len(fleet.key_ids) == 30 - (SHARED_MIN - 1) - 1
    assert [each.notice_id for each in notices][-1] == "inc-20"


def test_what_went_past_the_gateway_is_told_beside_what_was_spent() -> None:
    alone, *shared = told([past(number, 1.5) for number in range(SHARED_MIN + 3)])
    assert (alone.spend_usd, alone.unseen_usd) == (0.0, 1.5)
    (fleet,) = [each for each in shared if each.shared is not None]
    assert (fleet.spend_usd, fleet.unseen_usd) == (0.0, 1.5 * len(fleet.key_ids))
    assert len(fleet.key_ids) > 1


def test_the_summary_counts_the_keys_that_a_message_is_about() -> None:
    notices = Notices()
    notices.take([], Results([moved(number) for number in range(SHARED_MIN)], []))
    assert notices.summary() == "messages to people 5 (page 5; 1 of them about 5 keys)"


def test_what_is_recorded_only_tells_nobody() -> None:
    info = msgspec.structs.replace(moved(1), severity="info")
    over = msgspec.structs.replace(moved(2), status="resolved", severity="info")
    assert told([info, over]) == []


def test_a_stolen_list_of_keys_pages_for_each_key_and_wakes_people_a_few_times() -> None:
    """What is said about a key does not depend on other keys; how often people are told does."""
    keys = [f"key-{number}" for number in range(12)]
    honest = [office(6, key_id=key_id, seed=number) for number, key_id in enumerate(keys)]
    at = workday(4, 11)
    stolen = [thief(at + 60 * n, 40, key_id=key, client_ip=ABROAD) for n, key in enumerate(keys)]
    together = run(messages(in_time(*honest, *stolen))).incidents
    paged = {each.key_id for each in together if each.severity == "page"}
    assert paged == set(keys)
    alone = [
        run(messages(in_time(mine, theirs))).incidents
        for mine, theirs in zip(honest, stolen, strict=True)
    ]
    assert sorted(map(msgspec.json.encode, together)) == sorted(
        msgspec.json.encode(each) for of_key in alone for each in of_key
    )
    notices = told(together)
    fleets = [each for each in notices if each.shared is not None]
    assert len(fleets) == 1
    assert {key for each in notices for key in each.key_ids} == set(keys)
    assert len(notices) < len(keys)


def changed(
    change: Callable[[UsageEvent], list[UsageEvent]],
) -> tuple[dict[str, bool], list[Notice]]:
    """What comes of something that happens to twelve keys at once.

    Of the keys with an incident, whether they page; and what people are told.
    """
    since = workday(8, 10)
    log = [
        new
        for number in range(12)
        for each in office(9, key_id=f"key-{number}", seed=number)
        for new in (change(each) if epoch(each.occurred_at) >= since else [each])
    ]
    incidents = run(messages(in_time(log))).incidents
    pages = {each.key_id: False for each in incidents}
    pages |= {each.key_id: True for each in incidents if each.severity == "page"}
    return pages, told(incidents)


def test_a_fleet_with_new_egress_addresses_is_one_notice_and_wakes_nobody() -> None:
    pages, notices = changed(lambda each: [replace(each, client_ip="95.216.33.5")])  # Hetzner
    (fleet,) = [each for each in notices if each.shared is not None]
    assert not any(pages.values())
    assert len(pages) > 6
    assert fleet.shared == "prefix=95.216.33.0/24"
    assert len(notices) == SHARED_MIN
    assert {key for each in notices for key in each.key_ids} == set(pages)


def failing(each: UsageEvent) -> list[UsageEvent]:
    """A request that a provider fails eight times: its client tries again every two seconds."""
    at = epoch(each.occurred_at)
    failed = replace(each, status=503, output_tokens=0, cost_usd=0.0)
    return [
        replace(failed, event_id=f"{each.event_id}-{n}", occurred_at=at + 2 * n) for n in range(8)
    ]


@pytest.mark.parametrize(
    "change",
    [
        failing,
        lambda each: [replace(each, user_agent="litellm/1.80.0")],
        lambda each: [replace(each, client_ip=None)],
    ],
    ids=["a provider's outage", "a gateway that names itself", "a gateway that hides addresses"],
)
def test_what_a_gateway_or_a_provider_does_to_all_keys_tells_nobody(
    change: Callable[[UsageEvent], list[UsageEvent]],
) -> None:
    assert changed(change) == ({}, [])
