"""What a message says of an incident."""

import pytest

from detectors.baselines.totals import Totals
from detectors.discovery import all_detectors
from detectors.words import paid
from pipeline.demo.block_kit import texts
from pipeline.notify.blocks import ABOUT_SOURCES, UNPRICED, Background, page_card
from pipeline.notify.page import Page, acted, judged, requested, revised
from tests.support.samples import AT, action, action_result, incident, key_record, signal, verdict


def said(page: Page, not_revocable: str | None = None, **record: object) -> str:
    background = Background(key_record(**record), not_revocable, None)
    return "\n".join(texts(page_card(page, background).blocks))


def page(**changes: object) -> Page:
    return revised(None, incident(**changes))


def test_detectors_that_judge_places_exist() -> None:
    assert {each.name for each in all_detectors()} >= ABOUT_SOURCES


def test_numbers_say_of_when_they_are() -> None:
    shown = said(page(opened_at=AT - 600))
    assert "Spent so far: $41.20 (as of 14:13 UTC)" in shown
    assert "Now: $247.20 an hour (as of 14:13 UTC)" in shown
    assert "(as of 2026-09-21 14:13 UTC)" in said(page(opened_at=AT - 86_400))


@pytest.mark.parametrize("unpriced", [1, 3])
def test_what_has_no_price_is_not_called_free(unpriced: int) -> None:
    use = paid(Totals(3, 0, 0, 0, 0, unpriced))
    assert UNPRICED in use, "how the detectors call it"
    shown = said(page(spend_usd=0.0, signals=[signal(summary=f"3 requests ({use}) in a minute.")]))
    assert "Spent so far: $0.00 and what has no price (as of" in shown
    assert "$247.20 an hour and what has no price (as of" in shown
    assert "and what has no price" not in said(page(spend_usd=0.0))


def test_names_stand_in_the_title_as_they_are() -> None:
    card = page_card(page(), Background(key_record(alias="team_a_ci"), None, None))
    assert card.text.startswith("🔴 Key team_a_ci looks leaked.")
    assert next(texts(card.blocks)) == "🔴 Key team_a_ci looks leaked"


def test_a_key_that_should_be_dead_is_not_to_be_revoked_but_blocked() -> None:
    block = "What to do: if requests are still served, block the key at that gateway"
    assert block in said(page(), "the registry says that it is revoked", status="revoked")
    assert block in said(page(signals=[signal(detector="revoked_use"), signal()]))
    assert block not in said(page())


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
