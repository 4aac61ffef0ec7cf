"""Bills on their way from providers to the log, on a log in memory."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest

from pipeline.config import Config, Poll
from pipeline.counts import Metrics
from pipeline.engine.stage import DetectStage
from pipeline.journal import Stage
from pipeline.memory_bus import BusLog
from pipeline.metrics import WORKER_METRICS
from pipeline.poll import asking
from pipeline.poll.report import HOUR, HOURS
from pipeline.poll.stage import PollStage
from pipeline.reconcile.stage import SILENCE_SECONDS, ReconcileStage
from schemas.codec import encode
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.topics import INCIDENTS, KEYS, PROVIDER_USAGE
from tests.support.crashing_bus import CrashingBus
from tests.support.events import START, event, rules
from tests.support.usage_reports import ADMIN_KEY, Used, reporting

OVER = int(START) + 49 * HOUR
NOW = OVER + 2.0 * HOUR
INTERVAL = 600.0


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 0.001)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class World:
    """The stage on a log, and time that passes when it is told to."""

    def __init__(self, poll: Poll, *others: Callable[[Clock], Stage]) -> None:
        self.clock = Clock()
        self.config = Config.model_construct(poll=poll)
        self.counts = Metrics(WORKER_METRICS)
        self.stage = self.made()
        self.crash_at: str | None = None
        stages = [self.stage, *(make(self.clock) for make in others)]
        self.bus = CrashingBus(stages, self.clock, self.fault)

    def fault(self, point: str) -> None:
        """Crash once where a test wants it, as soon as there is something to lose."""
        if point == self.crash_at and self.stage._pollers[0]._asking is None:
            self.crash_at = None
            raise ConnectionError

    def made(self) -> PollStage:
        return PollStage.from_config(self.config, self.counts)

    async def round(self, later: float = INTERVAL) -> list[ProviderUsage]:
        """What a round brought to the log."""
        before = len(self.bus.topics[PROVIDER_USAGE.name])
        self.clock.now += later
        await self.bus.tick(self.clock())
        for poller in self.stage._pollers:
            while poller._asking is not None:
                await asyncio.sleep(0.002)
                await self.bus.tick(self.clock())
        log = self.bus.topics[PROVIDER_USAGE.name][before:]
        return [msgspec.json.decode(each.value, type=ProviderUsage) for each in log]

    def shown(self, name: str, **labels: str) -> float:
        text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        (line,) = [
            line
            for line in self.counts.render().decode().splitlines()
            if line.startswith(f"{name}{{{text}}} ")
        ]
        return float(line.rpartition(" ")[2])


def said(bills: Sequence[ProviderUsage]) -> list[tuple[str | None, str | None, int]]:
    return [(each.provider_key_id, each.model, each.input_tokens) for each in bills]


async def test_a_bill_names_the_providers_key_and_what_it_used() -> None:
    async with reporting(used=[Used(OVER)]) as provider:
        world = World(provider.poll("openai", "anthropic"))
        ours, theirs = sorted(await world.round(), key=lambda each: each.provider == "anthropic")
    assert ours == ProviderUsage(
        provider="openai",
        provider_key_id="key_abc",
        model="gpt-4o-mini-2024-07-18",
        window_start=OVER,
        window_end=OVER + HOUR,
        requests=5,
        input_tokens=5000,
        cached_input_tokens=2000,
        output_tokens=1000,
        observed_at=NOW + INTERVAL,
    )
    assert (theirs.provider, theirs.input_tokens, theirs.cached_input_tokens) == (
        "anthropic",
        5000,
        1000,
    )
    assert theirs.requests is None
    assert ours.cost_usd is theirs.cost_usd is None
    assert [each.key for each in world.bus.topics[PROVIDER_USAGE.name]] == [b"key_abc"] * 2


async def test_a_bill_is_sent_once_and_again_when_it_is_corrected() -> None:
    async with reporting(used=[Used(OVER), Used(OVER, model="o3"), Used(OVER, key="b")]) as it:
        world = World(it.poll("openai"))
        assert len(await world.round()) == 3
        assert await world.round() == []
        it.used[0] = Used(OVER, uncached=3001)
        again = await world.round()
    assert said(again) == [("key_abc", "o3", 5000), ("key_abc", "gpt-4o-mini-2024-07-18", 5001)]
    assert all(epoch(each.observed_at) == world.clock() for each in again), "later than the first"


async def test_a_model_that_is_corrected_away_is_billed_nothing() -> None:
    """Else what moved to another name would be billed twice."""
    async with reporting(used=[Used(OVER, model="o3")]) as it:
        world = World(it.poll("openai"))
        await world.round()
        it.used[0] = Used(OVER, model="o3-2025-04-16")
        again = said(await world.round())
        assert again == [("key_abc", "o3", 0), ("key_abc", "o3-2025-04-16", 5000)]
        assert await world.round() == []


async def test_an_hour_is_handed_on_once_it_has_been_over_for_an_hour() -> None:
    async with reporting(used=[Used(OVER + HOUR)]) as it:
        world = World(it.poll("openai"))
        assert await world.round(0.0) == []
        assert await world.round(HOUR - 1.0) == []
        assert len(await world.round(INTERVAL)) == 1


async def test_oldest_hours_come_first() -> None:
    async with reporting(used=[Used(OVER - n * HOUR) for n in range(HOURS)]) as it:
        found = [epoch(each.window_start) for each in await World(it.poll("openai")).round(0.0)]
    assert found == [float(OVER - n * HOUR) for n in reversed(range(HOURS))]


async def test_providers_are_asked_at_intervals() -> None:
    async with reporting() as it:
        world = World(it.poll("openai"))
        await world.round()
        asked = len(it.asked)
        await world.round(INTERVAL - 1.0)
        assert len(it.asked) == asked
        await world.round(1.0)
        assert len(it.asked) == 2 * asked
        await world.round(-100_000.0)
        assert len(it.asked) == 3 * asked, "a clock that was set back holds nothing up"


@pytest.mark.parametrize("point", ["publish", "commit", "committed"])
async def test_a_crash_loses_nothing_and_doubles_nothing(point: str) -> None:
    """The next worker sends what did not become durable, and nothing else."""
    async with reporting(used=[Used(OVER)]) as it:
        world = World(it.poll("openai"))
        assert len(await world.round()) == 1
        it.used += [Used(OVER, key="late"), Used(OVER - HOUR)]
        world.crash_at = point
        with pytest.raises(ConnectionError):
            await world.round()
        old, world.stage = world.stage, world.made()
        world.bus.restart(old, world.stage)
        await world.round()
        log = world.bus.topics[PROVIDER_USAGE.name]
        bills = [msgspec.json.decode(each.value, type=ProviderUsage) for each in log]
    assert sorted((each.provider_key_id, epoch(each.window_start)) for each in bills) == [
        ("key_abc", OVER - HOUR),
        ("key_abc", OVER),
        ("late", OVER),
    ]


async def test_hours_are_forgotten_once_they_are_not_read_again() -> None:
    async with reporting(used=[Used(OVER), Used(OVER, key="a/b")]) as it:
        world = World(it.poll("openai"))
        await world.round()
        journal = world.bus.journal(world.stage)
        assert sorted(journal.keys()) == [f"openai/{OVER}/a/b", f"openai/{OVER}/key_abc"]
        await world.round((HOURS - 1) * HOUR)
        assert len(journal.keys()) == 2
        await world.round(HOUR)
        assert journal.keys() == []


async def test_a_provider_that_fails_holds_up_nobody_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pipeline.poll")
    async with reporting(used=[Used(OVER)]) as good, reporting(used=[Used(OVER)]) as bad:
        bad.admin_key = "another"
        world = World(good.poll("openai", "anthropic", anthropic_url=bad.url))
        first = await world.round()
        await world.round()
        assert [each.provider for each in first] == ["openai"]
        (line,) = caplog.messages
        assert line.startswith("anthropic does not tell all of its usage: it answers 401")
        assert "poll.anthropic_admin_key" in line
        failures = "leakline_poll_failures_total"
        assert world.shown(failures, provider="anthropic", reason="key_refused") == 2
        assert world.shown(failures, provider="openai", reason="key_refused") == 0
        bad.admin_key = ADMIN_KEY
        assert [each.provider for each in await world.round()] == ["anthropic"]
    assert caplog.messages[1:] == ["anthropic tells its usage again"]
    assert ADMIN_KEY not in caplog.text


async def test_what_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    used = [Used(OVER), Used(OVER, key=None), Used(OVER, key=None), Used(OVER, batch=True)]
    async with reporting(used=[*used, Used(OVER, output=-1)]) as it:
        world = World(it.poll("openai"))
        await world.round()
        await world.round()
    assert world.shown("leakline_polled_records_total", provider="openai") == 1
    left_out = "leakline_poll_rows_left_out"
    assert world.shown(left_out, provider="openai", reason="no_key") == 2
    assert world.shown(left_out, provider="openai", reason="batch") == 1
    assert world.shown(left_out, provider="openai", reason="malformed") == 1
    assert 0.0 <= world.shown("leakline_poll_age_seconds", provider="openai") < 60.0
    (line,) = caplog.messages  # said once
    assert "rows that cannot be used were left out" in line


async def test_a_key_that_is_used_past_the_gateway_pages() -> None:
    """Provider, poll, reconcile, detect: what is stolen is found, and honest use is not."""
    async with reporting() as it:
        world = await in_use(it.poll("openai"), "honest", "stolen")
        it.used = [honest(start, f"for-{k}") for start in IN_USE for k in ("honest", "stolen")]
        assert await caught(world) == []
        it.used.append(Used(OVER, "for-stolen", "o3", uncached=900_000, cached=0, output=90_000))
        assert await caught(world) == ["stolen"]
        assert await caught(world) == ["stolen"], "a round without news tells nothing"


@pytest.mark.parametrize("model", ["gpt-4", "gpt-9"])
async def test_use_that_moves_to_another_model_is_not_billed_twice_meanwhile(model: str) -> None:
    """Wherever that stands among the models of its window: each line is judged as it comes."""
    async with reporting() as it:
        world = await in_use(it.poll("openai"), "honest")
        it.used = [honest(start, "for-honest") for start in IN_USE]
        assert await caught(world) == []
        it.used = [replace(each, model=model) for each in it.used]
        assert await caught(world) == []


IN_USE = range(int(START), OVER + 2 * HOUR, HOUR)


async def in_use(poll: Poll, *key_ids: str) -> World:
    """Keys that are used through a gateway, and all stages from the provider to detection."""

    def reconcile(clock: Clock) -> Stage:
        return ReconcileStage(1, [], clock)

    def detect(clock: Clock) -> Stage:
        del clock
        return DetectStage(rules())

    world = World(poll, reconcile, detect)
    for key_id in key_ids:
        entry = KeyRecord(key_id=key_id, provider="openai", provider_key_id=f"for-{key_id}")
        await world.bus.publish(KEYS, entry, key=key_id)
    await world.bus.run_until_quiet()
    events = [
        event(start + n * 60.0, key_id=key_id, input_tokens=9_000, output_tokens=1_000)
        for start in IN_USE
        for n in range(60)
        for key_id in key_ids
    ]
    await BusLog(world.bus).send_packed([(each.key_id, encode(each)) for each in events])
    return world


def honest(start: int, key: str) -> Used:
    """What the provider bills for that hour of `event`s."""
    return Used(start, key, uncached=60 * 9_000, cached=0, output=60 * 1_000, requests=60)


async def caught(world: World) -> list[str]:
    """Whose keys an incident was told of, a round later."""
    await world.round()
    world.clock.now += SILENCE_SECONDS
    await world.bus.tick(world.clock())
    log = world.bus.topics[INCIDENTS.name]
    found = [msgspec.json.decode(each.value, type=Incident) for each in log]
    return [each.key_id for each in found if each.cause == "off_gateway"]
