"""What is said of an incident before it comes is kept, within bounds."""

from pipeline.notify import early
from schemas.topics import VERDICTS
from tests.support.oncall import on_call
from tests.support.samples import verdict

DAY = 86_400.0


async def test_what_is_said_first_waits_for_its_incident_and_not_for_ever() -> None:
    async with on_call() as loop:
        for number in range(early.VERDICTS_MAX + 5):
            said = verdict(by="console:ana", at=loop.clock() + number)
            await loop.bus.publish(VERDICTS, said)
        await loop.bus.publish(VERDICTS, verdict(incident_id="inc_2", at=loop.clock()))
        await loop.bus.run_until_quiet()
        journal = loop.journal()
        await loop.bus.tick(loop.clock.advance(89 * DAY))
        assert sorted(journal.keys()) == ["early/inc_1", "early/inc_2"]
        assert len(early.take("inc_1", journal)) == early.VERDICTS_MAX
        assert early.take("inc_1", journal) == []
        await loop.bus.tick(loop.clock.advance(2 * DAY))
        assert journal.keys() == []
