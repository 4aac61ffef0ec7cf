"""What notify remembers of an incident is read by later releases."""

from pathlib import Path

import msgspec
import pytest

from pipeline.notify.page import Page, Slot

DATA = Path(__file__).parent.parent / "data"
GOLDEN = sorted(DATA.glob("notify-state-v*.json"))


def test_there_is_a_golden_page() -> None:
    """A change that cannot read it needs a default for what is new, or a conversion."""
    assert GOLDEN


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_page_of_an_earlier_release_goes_on(path: Path) -> None:
    page = msgspec.json.decode(path.read_bytes(), type=Page)
    assert page.incident.incident_id == "inc_1"
    assert page.message == Slot(1_790_000_000.0, "1790000000.000001", "d1")
    assert page.evidence.given_up
    assert [each.effective for each in page.actions] == [True]
    assert (page.acknowledged_by, page.dirty, page.clicks) == ("slack:U1", False, ["U1/1"])


def test_a_notice_of_an_earlier_release_goes_on() -> None:
    raw = (DATA / "notify-notice-v1.json").read_bytes()
    notice, gathered = msgspec.json.decode(raw, type=list[Page])
    assert gathered.gathered == notice.incident.incident_id
    assert notice.fleet is not None
    assert (notice.fleet.keys, notice.fleet.trait, notice.fleet.revision) == (3, "network=88.6", 2)
    assert [each.open for each in notice.fleet.members.values()] == [True, False]


def test_fields_of_a_later_release_are_left_alone() -> None:
    fields = msgspec.json.decode(GOLDEN[0].read_bytes()) | {"of_a_later_release": [1]}
    assert msgspec.json.decode(msgspec.json.encode(fields), type=Page).channel == "C0PAGE"
