"""What the registry's file says no more, on a log in memory: withdrawn, or left as it is."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.default_rules import default_rules
from pipeline.engine.stage import DetectStage
from pipeline.journal import Stage, remembered
from pipeline.metrics import WORKER_METRICS
from pipeline.notify.stage import NotifyStage
from pipeline.reconcile.stage import ReconcileStage
from pipeline.response.enforce import EnforceStage
from schemas.codec import encode
from schemas.key_record import KeyRecord
from schemas.topics import KEYS
from tests.support.crashing_bus import CrashingBus
from tests.support.events import START

ANNA = "anna@example.com"
ONE, TWO, THREE = (KeyRecord(key_id=key_id, owner="o") for key_id in ("a", "b", "c"))


class Tenures:
    """A reconcile stage that starts again and again, each time with what the file has by then."""

    def __init__(self, others: Sequence[Stage] = ()) -> None:
        self.now = START
        self._stage = ReconcileStage(1, None, self._time)
        self.bus = CrashingBus([self._stage, *others], self._time)

    def _time(self) -> float:
        return self.now

    async def begin(self, stage: ReconcileStage) -> list[tuple[str, bytes]]:
        """What a new tenure puts into the topic: key and body."""
        before = len(self.bus.topics[KEYS.name])
        self.bus.restart(self._stage, stage)
        self._stage = stage
        for _ in range(2):
            self.now += 60.0
            await self.bus.tick(self.now)
        said = self.bus.topics[KEYS.name][before:]
        return [((message.key or b"").decode(), message.value) for message in said]

    async def withdrawn(self, *registry: KeyRecord) -> list[str]:
        """The keys that a file with these entries withdraws."""
        said = await self.begin(ReconcileStage(1, registry, self._time))
        return [key_id for key_id, body in said if not body]

    async def write(self, key_id: str, body: bytes) -> None:
        """Somebody else writes to the topic."""
        await self.bus.publish(KEYS, body, key=key_id)
        await self.bus.run_until_quiet()


async def test_an_owner_who_is_taken_out_of_the_file_is_forgotten_everywhere(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys.jsonl"
    config = Config.model_construct(keys=path)
    counts = Metrics(WORKER_METRICS)
    others: list[Stage] = [
        DetectStage(default_rules(Config())),
        NotifyStage.from_config(Config(), lambda: START, counts),
        EnforceStage.from_config(Config(), lambda: START, counts),
    ]
    tenures = Tenures(others)
    path.write_bytes(encode(replace(ONE, owner=ANNA)) + b"\n" + encode(TWO))
    await tenures.begin(ReconcileStage.from_config(config, lambda: tenures.now))
    assert len(holders(tenures.bus)) == 4
    path.write_bytes(encode(TWO))
    said = await tenures.begin(ReconcileStage.from_config(config, lambda: tenures.now))
    assert said == [("a", b"")]
    assert holders(tenures.bus) == []


def holders(bus: CrashingBus) -> list[str]:
    """The stages that remember Anna."""
    found = []
    for stage, journal in bus._journals.items():
        values = [journal.get(name) or b"" for name in remembered("", journal)]
        if any(ANNA.encode() in value for value in values):
            found.append(type(stage).__name__)
    return found


async def test_it_is_withdrawn_once_and_comes_back_with_the_file() -> None:
    tenures = Tenures()
    assert await tenures.withdrawn(ONE, TWO) == []
    assert await tenures.withdrawn(TWO) == ["a"]
    assert await tenures.withdrawn(TWO) == []
    said = await tenures.begin(ReconcileStage(1, [ONE, TWO], lambda: tenures.now))
    assert said == [("a", encode(ONE))]


async def test_a_large_file_comes_in_parts_and_goes_on_where_a_tenure_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each part has a transaction of its own; a tenure here ticks twice."""
    monkeypatch.setattr("pipeline.reconcile.stage.LOADED_AT_ONCE", 1)
    entries = [KeyRecord(key_id=str(number)) for number in range(7)]
    tenures, told = Tenures(), []
    while said := await tenures.begin(ReconcileStage(1, entries, lambda: tenures.now)):
        assert len(said) <= 2
        told += [key_id for key_id, _ in said]
    assert told == [each.key_id for each in entries]
    assert await tenures.withdrawn(*entries[3:]) == ["0", "1"]
    assert await tenures.withdrawn(*entries[3:]) == ["2"]
    assert await tenures.withdrawn(*entries[3:]) == []


@pytest.mark.parametrize("when", ["before", "after", "after, of the same"])
async def test_what_others_wrote_to_the_topic_stays(when: str) -> None:
    tenures = Tenures()
    if when == "before":
        await tenures.write("a", encode(ONE))
    await tenures.withdrawn(ONE, TWO)
    if when == "after":
        await tenures.write("a", encode(replace(ONE, team="t")))
    if when == "after, of the same":
        await tenures.write("a", encode(replace(ONE, team="t")))
        await tenures.withdrawn(replace(ONE, team="t"), TWO)
    assert await tenures.withdrawn(TWO) == []


async def test_no_file_withdraws_nothing_and_forgets_nothing() -> None:
    tenures = Tenures()
    await tenures.withdrawn(ONE, TWO)
    assert await tenures.begin(ReconcileStage.from_config(Config(), lambda: tenures.now)) == []
    assert await tenures.withdrawn(TWO) == ["a"]


async def test_a_file_that_lost_most_of_its_entries_withdraws_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenures = Tenures()
    await tenures.withdrawn(ONE, TWO, THREE)
    for rest in ((), (ONE,), (ONE, replace(ONE, key_id="new"))):
        caplog.clear()
        assert await tenures.withdrawn(*rest) == []
        assert "no longer in it" in caplog.text
    caplog.clear()
    assert await tenures.withdrawn(ONE, TWO) == ["c", "new"]
    assert not caplog.messages


@pytest.mark.parametrize("guard", ["protected", "canary"])
async def test_what_guards_a_key_is_not_taken_from_it_by_leaving_it_out(
    guard: str, caplog: pytest.LogCaptureFixture
) -> None:
    tenures = Tenures()
    await tenures.withdrawn(replace(ONE, **{guard: True}), TWO)
    assert await tenures.withdrawn(TWO) == []
    assert "stay" in caplog.text
    assert await tenures.withdrawn(ONE, TWO) == []
    assert await tenures.withdrawn(TWO) == ["a"]


@pytest.mark.parametrize("others", [{"protected": True}, {"canary": True}, {}])
async def test_entries_that_stay_anyhow_do_not_hide_that_the_file_was_emptied(
    others: dict[str, bool], caplog: pytest.LogCaptureFixture
) -> None:
    tenures = Tenures()
    more = [replace(ONE, key_id=f"more-{n}", **others) for n in range(3)]
    await tenures.withdrawn(ONE, TWO, *more)
    if not others:
        for each in more:
            await tenures.write(each.key_id, encode(replace(each, team="t")))
    assert await tenures.withdrawn() == []
    assert "no longer in it" in caplog.text
    assert await tenures.begin(ReconcileStage(1, [ONE, TWO, *more], lambda: tenures.now)) == []


async def test_another_file_is_doubted_at_every_start_until_the_first_is_back() -> None:
    tenures = Tenures()
    wrong = [replace(ONE, key_id=f"wrong-{n}") for n in range(4)]
    await tenures.withdrawn(ONE, TWO, THREE)
    for _ in range(3):
        assert await tenures.withdrawn(*wrong) == []
    for key_id in "bc":  # meant, as it turns out
        await tenures.write(key_id, b"")
    assert await tenures.withdrawn(ONE, *wrong) == []
    assert await tenures.withdrawn(ONE, *wrong[:3]) == ["wrong-3"]


async def test_what_came_with_the_wrong_file_goes_with_it() -> None:
    tenures = Tenures()
    wrong = [replace(ONE, key_id=f"wrong-{n}") for n in range(4)]
    for file in ((ONE, TWO, THREE), wrong):
        await tenures.withdrawn(*file)
    assert await tenures.withdrawn(ONE, TWO, THREE) == [each.key_id for each in wrong]
    assert await tenures.withdrawn() == []  # and most are missing again


async def test_a_line_that_was_lost_and_found_takes_no_protection_away() -> None:
    tenures = Tenures()
    await tenures.withdrawn(ONE, TWO, THREE)
    await tenures.write("a", encode(replace(ONE, protected=True)))
    assert await tenures.withdrawn(TWO, THREE) == []
    assert await tenures.begin(ReconcileStage(1, [ONE, TWO, THREE], lambda: tenures.now)) == []


async def test_what_an_earlier_release_remembered_of_the_file_is_withdrawn() -> None:
    """It noted a hash of what it had published, and nothing behind it."""
    tenures = Tenures()
    await tenures.withdrawn(ONE, TWO)
    for journal in tenures.bus._journals.values():
        assert [len(journal.get(f"file/{key}") or b"") for key in "ab"] == [8, 8]
    assert await tenures.withdrawn(TWO) == ["a"]
