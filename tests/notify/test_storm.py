"""Which incidents share one message: what they have in common, when, and what stands out."""

import msgspec

from detectors.calibration import SHIPPED
from detectors.fusion import risk_of
from pipeline.notify.blocks import Background
from pipeline.notify.fleet_card import fleet_card, fleet_text
from pipeline.notify.page import Page
from pipeline.notify.storm import (
    ALIKE_MIN,
    FORM_SECONDS,
    MEMBERS_MAX,
    OPEN_MAX,
    SHARED_MIN,
    STAY_SECONDS,
    Fleet,
    Storms,
    stands_out,
    traits,
)
from schemas.incident import Incident
from tests.support.samples import AT, incident, signal

CALIBRATION = msgspec.structs.replace(SHIPPED, page_nats=6.0)


def moved(number: int, at: float = AT, prefix: str = "198.51.100.0/24", **more: float) -> Incident:
    """A key that shows a new source, and perhaps evidence of other detectors."""
    evidence = {"prefix": prefix, "network": "ISP", "country": "NL", "new": "prefix"}
    signals = [signal(detector="new_source", score=6.0, evidence=evidence)]
    signals += [signal(detector=name, score=score, evidence={}) for name, score in more.items()]
    nats = 6.0 + 0.85 * sum(more.values())
    return incident(
        incident_id=f"inc-{number}",
        key_id=f"key-{number}",
        detected_at=at,
        opened_at=at,
        risk=risk_of(nats, CALIBRATION),
        signals=signals,
    )


def told(storms: Storms, incidents: list[Incident]) -> list[str | None]:
    """The notice of each, None for those that are told alone."""
    found: list[str | None] = []
    for each in incidents:
        place = storms.place(each)
        if place is None:
            storms.told(each)
            found.append(None)
        else:
            notice_id, fleet = place
            fleet.take(each, over=False)
            storms.gathering(notice_id, fleet, answered=False)
            found.append(notice_id)
    return found


def test_the_first_few_are_told_alone_and_a_thousand_others_in_few_messages() -> None:
    messages = told(Storms(), [moved(number, AT + number) for number in range(1000)])
    assert messages[: SHARED_MIN - 1] == [None] * (SHARED_MIN - 1)
    assert None not in messages[SHARED_MIN - 1 :]
    assert len(set(messages)) - 1 == -(-(1000 - SHARED_MIN + 1) // MEMBERS_MAX) == 2


def test_keys_that_share_nothing_are_told_alone_until_very_many_are_alike() -> None:
    different = [moved(n, AT + n, prefix=f"10.{n}.0.0/24") for n in range(ALIKE_MIN)]
    messages = told(Storms(), different)
    assert messages[:-1] == [None] * (ALIKE_MIN - 1)
    assert messages[-1] is not None


def test_what_comes_slowly_or_long_after_is_told_alone() -> None:
    slowly = [moved(n, AT + n * FORM_SECONDS) for n in range(2 * SHARED_MIN)]
    assert told(Storms(), slowly) == [None] * (2 * SHARED_MIN)
    storms = Storms()
    told(storms, [moved(number, AT) for number in range(SHARED_MIN)])
    assert storms.place(moved(90, AT + STAY_SECONDS)) is not None
    assert storms.place(moved(91, AT + STAY_SECONDS + 1)) is None


def test_one_key_that_pages_again_and_again_is_no_storm() -> None:
    storms = Storms()
    same = [moved(1, AT + n) for n in range(SHARED_MIN)]
    for number, each in enumerate(same):
        each.incident_id = f"inc-{number}"
    assert told(storms, same) == [None] * SHARED_MIN


def test_a_thief_in_the_flood_that_he_made_is_told_alone() -> None:
    """Noise on many keys from one place, and one of them used up: the noise hides nothing."""
    storms = Storms()
    told(storms, [moved(number) for number in range(200)])
    worst = moved(200, newcomer_rush=6.0, spend_spike=7.0)
    assert storms.place(worst) is None
    assert storms.place(moved(201, newcomer_rush=1.0)) is not None


def test_many_that_stand_out_alike_open_a_notice_of_their_own() -> None:
    storms = Storms()
    first = told(storms, [moved(number) for number in range(50)])
    worse = [moved(number, AT + 60, newcomer_rush=6.0, spend_spike=7.0) for number in range(50, 90)]
    messages = told(storms, worse)
    assert messages.index(next(each for each in messages if each)) <= 2 * SHARED_MIN
    notices = {each for each in messages if each is not None}
    assert len(notices) == 1
    assert notices.isdisjoint(first)
    far_worse = moved(99, AT + 90, newcomer_rush=6.0, spend_spike=7.0, probing=9.0, crowd=9.0)
    assert storms.place(far_worse) is None


def test_evidence_that_all_share_does_not_stand_out() -> None:
    storms = Storms()
    flood = [moved(number, newcomer_rush=6.0, spend_spike=7.0) for number in range(50)]
    assert None not in told(storms, flood)[SHARED_MIN - 1 :]
    assert not stands_out(flood[0], ["new_source", "newcomer_rush", "spend_spike"])
    assert stands_out(flood[0], ["new_source"])
    assert not stands_out(incident(signals=[]), [])


def test_a_notice_that_was_judged_takes_no_more() -> None:
    storms = Storms()
    told(storms, [moved(number) for number in range(10)])
    first = storms.place(moved(10))
    assert first is not None
    storms.gathering(*first, answered=True)
    second = storms.place(moved(11))
    assert second is not None
    assert second[0] != first[0]


def test_a_key_with_several_incidents_is_counted_once() -> None:
    storms = Storms()
    told(storms, [moved(number) for number in range(SHARED_MIN)])
    place = storms.place(moved(SHARED_MIN))
    assert place is not None
    _, fleet = place
    assert fleet.keys == SHARED_MIN
    again = msgspec.structs.replace(moved(0), incident_id="inc-again")
    fleet.take(again, over=False)
    assert fleet.keys == SHARED_MIN
    fleet.drop("inc-again")
    assert fleet.keys == SHARED_MIN


def past(number: int, usd: float) -> Incident:
    """A key of which nothing passed the gateway, and so much went past it."""
    evidence = {"unseen_usd": usd}
    one = msgspec.structs.replace(moved(number), spend_usd=0.0, burn_usd_per_hour=0.0)
    one.signals.append(signal(detector="off_gateway", evidence=evidence))
    return one


def test_a_notice_adds_up_what_went_past_the_gateway() -> None:
    storms = Storms()
    told(storms, [moved(number) for number in range(SHARED_MIN)])
    place = storms.place(moved(SHARED_MIN))
    assert place is not None
    notice_id, fleet = place
    assert fleet.unseen_usd == 0.0
    for number, usd in ((7, 14.7), (8, 90.0), (7, 15.0)):
        fleet.take(past(number, usd), over=False)
    assert fleet.unseen_usd == 105.0
    page = Page(incident=fleet.incident(notice_id), fleet=fleet)
    said = fleet_text(page, fleet, "")
    assert "spent so far $41.20 and $105.00 past the gateway, now $247.20 an hour" in said
    shown = str(fleet_card(page, fleet, Background(None, None, None)).blocks)
    lines = ("key-8: $0.00 and $90.00 past the gateway, ", "key-4: $41.20, $247.20")
    worst = [shown.index(each) for each in lines]
    assert worst == sorted(worst)


def test_of_very_many_notices_the_one_that_gathered_longest_ago_takes_no_more() -> None:
    storms = Storms()
    for number in range(OPEN_MAX + 1):
        trait = f"prefix=10.{number}.0.0/16"
        at = AT + (number - 1) % (OPEN_MAX + 1)  # that of the second notice is the oldest
        notice = Fleet(trait=trait, detectors=["new_source"], beside=[], since=at, last_at=at)
        storms.gathering(f"notice-{number}", notice, answered=False)
    places = [storms.place(moved(n, prefix=f"10.{n}.0.0/16")) for n in range(OPEN_MAX + 1)]
    assert [number for number, place in enumerate(places) if place is None] == [1]


def test_only_what_is_new_is_a_trait() -> None:
    evidence = {"prefix": "192.0.2.0/24", "network": "AWS", "country": "US", "new": "prefix"}
    one = incident(signals=[signal(detector="new_source", evidence=evidence)])
    assert traits(one) == ["prefix=192.0.2.0/24", "alike=leaked new_source"]
    evidence["new"] = "country"
    more = [signal(detector="model_mix", score=1.0, evidence={"models": ["a", "b"]})]
    more.append(signal(detector="new_client", score=1.0, evidence={"client": "curl"}))
    both = incident(signals=[signal(detector="new_source", evidence=evidence), *more])
    names = ["prefix", "client", "model", "model", "network", "country", "alike"]
    assert [each.partition("=")[0] for each in traits(both)] == names
    assert traits(incident(signals=[])) == ["alike=leaked "]
