"""Text from outside is inert in Slack."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.fleet_card import fleet_headline
from pipeline.notify.storm import Fleet
from pipeline.notify.text import flat, inert, inert_name, moment, time_after


@given(st.text(), st.integers(2, 60))
def test_no_text_escapes_its_bounds(text: str, length_max: int) -> None:
    for made in (inert, flat, inert_name):
        shown = made(text, length_max)
        assert len(shown) <= length_max
        assert not set(shown) & set("<>")
        rest = shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert "&" not in rest
        assert shown.isprintable()
    assert not set(flat(text, length_max)) & set("*~`")
    assert re.search(r"\b_|_\b|\W_|_\W|__", flat(text, length_max)) is None


def test_an_underscore_within_a_word_formats_nothing_and_stays() -> None:
    assert flat("_team_a_ci_ __init__ *b*", 100) == " team_a_ci    init    b "


def test_names_that_begin_alike_are_cut_in_the_middle() -> None:
    assert inert_name("a" * 50 + "-1", 20) == "a" * 9 + "…" + "a" * 8 + "-1"
    assert inert_name("<" * 9, 20) == "&lt;&lt;…&lt;&lt;"
    assert inert_name("short", 20) == "short"


def test_what_others_wrote_begins_no_line_of_its_own() -> None:
    for forged in ("key-1\nTeam: ours", "key-1\r\nTeam: ours", "key-1\u2028Team: ours"):
        assert " ".join(inert(forged, 100).split()) == "key-1 Team: ours"


def test_secrets_do_not_pass() -> None:
    assert "sk-" not in inert("used sk-proj-0123456789abcdef here", 100)


def test_times() -> None:
    assert moment(0) == "1970-01-01 00:00 UTC"
    assert time_after(3600, 60) == "01:00 UTC"
    assert time_after(86_400, 60) == "1970-01-02 00:00 UTC"


def test_a_network_that_is_known_by_its_range_is_shown_as_one() -> None:
    fleet = Fleet(trait="network=88.6", detectors=[], beside=["a", "b"], since=0.0, last_at=0.0)
    assert fleet_headline(fleet) == "2 keys use the same new network, 88.6.0.0/16"
