"""Text from outside is inert in Slack."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.fleet_card import fleet_headline
from pipeline.notify.storm import Fleet
from pipeline.notify.text import flat, inert, moment


@given(st.text(), st.integers(2, 60))
def test_no_text_escapes_its_bounds(text: str, length_max: int) -> None:
    for made in (inert(text, length_max), flat(text, length_max)):
        assert len(made) <= length_max
        assert not set(made) & set("<>")
        rest = made.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert "&" not in rest
        assert all(char.isprintable() or char == "\n" for char in made)
    assert not set(flat(text, length_max)) & set("*_~`")


def test_secrets_do_not_pass() -> None:
    assert "sk-" not in inert("used sk-proj-0123456789abcdef here", 100)


def test_times() -> None:
    assert moment(0) == "1970-01-01 00:00 UTC"


def test_a_network_that_is_known_by_its_range_is_shown_as_one() -> None:
    fleet = Fleet(trait="network=88.6", detectors=[], beside=["a", "b"], since=0.0, last_at=0.0)
    assert fleet_headline(fleet) == "2 keys use the same new network, 88.6.0.0/16"
