"""What a message says of an incident."""

import pytest

from detectors.discovery import all_detectors
from pipeline.demo.block_kit import texts
from pipeline.notify.blocks import NO_SOURCE, Background, fallback_text, page_card
from pipeline.notify.page import Page, acted, judged, requested, revised
from schemas.key_record import KeyRecord
from tests.support.events import KEY, control, event, run, single
from tests.support.examples import NOW
from tests.support.samples import AT, action, action_result, incident, key_record, signal, verdict


def said(page: Page, not_revocable: str | None = None, **record: object) -> str:
    background = Background(key_record(**record), not_revocable, None)
    return "\n".join(texts(page_card(page, background).blocks))


def page(**changes: object) -> Page:
    return revised(None, incident(**changes))


def test_a_detector_of_places_says_where_without_being_in_a_list() -> None:
    places = [each.name for each in all_detectors() if each.about_place]
    assert len(places) >= 3
    for name in places:
        said_of_it = said(page(signals=[signal(), signal(detector=name, summary="From NL.")]))
        assert "From where: From NL." in said_of_it
    for name in ("probing", "of_a_later_release"):
        shown = said(page(signals=[signal(detector=name, summary="From NL.")]))
        assert f"From where: {NO_SOURCE}" in shown


def test_numbers_say_of_when_they_are() -> None:
    shown = said(page(opened_at=AT - 600))
    assert "Spent so far: $41.20 (as of 14:13 UTC)" in shown
    assert "Now: $247.20 an hour (as of 14:13 UTC)" in shown
    assert "(as of 2026-09-21 14:13 UTC)" in said(page(opened_at=AT - 86_400))


def test_one_paragraph_tells_what_went_past_the_gateway() -> None:
    past = [signal(detector="off_gateway", evidence={"unseen_usd": 14.7})]
    told = fallback_text(page(spend_usd=0.0, signals=past), None, "")
    assert "$0.00 and $14.70 past the gateway since 2026-09-21" in told


def test_what_the_gateway_saw_is_not_called_all_that_was_spent() -> None:
    """Also where an incident of use past the gateway has its sum no more."""
    assert "Spent so far at the gateway: " in said(page(cause="off_gateway"))
    past = [signal(detector="off_gateway", evidence={"unseen_usd": 14.7})]
    assert "Spent so far at the gateway: " in said(page(signals=past))
    assert "Spent so far: " in said(page())


def test_what_has_no_price_is_not_called_free_whatever_the_detector() -> None:
    canary = control("key", KeyRecord(key_id=KEY, canary=True))
    for price, free in ((None, False), (0.0, True)):
        used = run([canary, single(event(NOW, model="mystery-405b", cost_usd=price))])
        (found,) = used.incidents
        assert "price" not in " ".join(each.summary for each in found.signals)
        shown = said(revised(None, found))
        assert ("Spent so far: $0.00 (as of" in shown) == free
        assert ("Spent so far: $0.00 and what has no price (as of" in shown) != free
        assert ("Now: $0.00 an hour and what has no price (as of" in shown) != free


def test_names_stand_in_the_title_as_they_are() -> None:
    card = page_card(page(), Background(key_record(alias="team_a_ci"), None, None))
    assert card.text.startswith("🔴 Key team_a_ci looks leaked.")
    assert next(texts(card.blocks)) == "🔴 Key team_a_ci looks leaked"


def test_a_key_that_should_be_dead_is_not_to_be_revoked_but_blocked() -> None:
    block = "What to do: if requests are still served, block the key at that gateway"
    assert block in said(page(), "the registry says that it is revoked", status="revoked")
    assert block in said(page(signals=[signal(detector="revoked_use"), signal()]))
    assert block not in said(page())


def test_a_detector_that_only_has_revoked_use_among_its_causes_does_not_call_a_key_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (of_another,) = [each for each in all_detectors() if each.name == "new_source"]
    monkeypatch.setattr(type(of_another), "causes", {**of_another.causes, "revoked_use": 0.1})
    assert "if neither you nor the owner" in said(page(signals=[signal(detector="new_source")]))
    monkeypatch.setattr(type(of_another), "about_dead_keys", True)
    assert "block the key at that gateway" in said(page(signals=[signal(detector="new_source")]))


def test_a_key_that_cannot_be_revoked_from_here_is_to_be_blocked_by_hand() -> None:
    shown = said(page(), "no gateway is known for it")
    assert "knows who this is, block it by hand at its gateway; the owner gets a new key." in shown


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("verified", "What to do: give the owner a new key, and find out where the old one"),
        ("failed", "What to do: block the key by hand at its gateway, or try once more."),
    ],
)
def test_after_a_revocation_other_things_are_to_be_done(status: str, advice: str) -> None:
    known = page()
    requested(known, action())
    acted(known, action_result(status=status))
    assert advice in said(known)
    assert "if neither you nor the owner" not in said(known)


def test_nothing_is_to_be_done_about_what_was_judged_or_is_over() -> None:
    benign = page()
    judged(benign, verdict())
    over = {"status": "resolved", "severity": "info"}
    for known in (benign, page(cause="runaway", **over)):
        assert "What to do" not in said(known)
    assert "a leaked key is still leaked when it is quiet" in said(page(**over))


def test_a_loop_is_not_said_to_be_the_owners_own() -> None:
    assert "Key prod-search: a client seems to be stuck in a loop" in said(page(cause="runaway"))
