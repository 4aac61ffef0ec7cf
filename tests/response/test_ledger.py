"""What enforcement remembers of an action is read by later releases."""

from pathlib import Path

import msgspec
import pytest

from pipeline.response.ledger import Entry

GOLDEN = sorted((Path(__file__).parent.parent / "data").glob("enforce-state-v*.json"))


def test_there_is_a_golden_entry() -> None:
    """A change that cannot read it needs a default for what is new, or a conversion."""
    assert GOLDEN


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_an_entry_of_an_earlier_release_goes_on(path: Path) -> None:
    entry = msgspec.json.decode(path.read_bytes(), type=Entry)
    assert (entry.action.action_id, entry.attempts, entry.failures) == ("act_1", 2, 1)
    assert (entry.delivered, entry.published, entry.probes) == (True, True, 1)
    assert entry.result is not None
    assert entry.result.status == "verified"
