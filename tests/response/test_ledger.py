"""What enforcement remembers of an action is read by later releases."""

from pathlib import Path

import msgspec
import pytest

from pipeline.response.decide import Automatic
from pipeline.response.ledger import Entry, history
from tests.support.oncall import on_call
from tests.support.samples import AT

DATA = Path(__file__).parent.parent / "data"
GOLDEN = sorted(DATA.glob("enforce-state-v*.json"))


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


async def test_brakes_count_what_an_earlier_release_did() -> None:
    async with on_call() as loop:
        journal = loop.bus.journal(loop.enforce)
        journal.put("automatic", (DATA / "enforce-brakes-v1.json").read_bytes())
        assert history(journal).automatic == [Automatic("act_1", "key-1", AT)]
