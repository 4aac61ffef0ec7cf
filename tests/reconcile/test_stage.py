"""Reconcile and detect on a log in memory, beside a replay of the same records."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config, ConfigError
from pipeline.engine.stage import DetectStage
from pipeline.journal import remembered
from pipeline.memory_bus import BusLog
from pipeline.message import Message
from pipeline.reconcile import join, stage
from pipeline.reconcile.stage import SILENCE_SECONDS, ReconcileStage
from pipeline.replay.run import replay
from schemas.codec import encode
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.provider_usage import JoinedUsage, ProviderUsage
from schemas.redaction import public_key_id
from schemas.topics import (
    GATEWAY_USE,
    INCIDENTS,
    KEYS,
    PROVIDER_USAGE,
    USAGE_EVENTS,
    Topic,
)
from tests.reconcile.bills import (
    DOLLARS_AN_HOUR,
    OBSERVED,
    PROVIDER_KEY,
    WINDOW,
    bill,
    entry,
    traffic,
)
from tests.support.crashing_bus import CrashingBus
from tests.support.events import HOUR, control, messages, rules

GOLDEN = Path(__file__).parent.parent / "data" / "reconcile-state-v1.json"


class Clock:
    now = OBSERVED

    def __call__(self) -> float:
        return self.now


async def streamed(
    keys: list[KeyRecord], key_ids: list[str], bills: list[ProviderUsage]
) -> list[Incident]:
    """What the stages say when the records come through their topics."""
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [], clock), DetectStage(rules())], clock)
    for record in keys:
        await bus.publish(KEYS, record, key=record.key_id)
    await bus.run_until_quiet()
    await BusLog(bus).send_packed([(e.key_id, encode(e)) for e in traffic(*key_ids)])
    for each in bills:
        await bus.publish(PROVIDER_USAGE, each)
    await bus.run_until_quiet()
    clock.now += SILENCE_SECONDS
    await bus.tick(clock.now)
    return [msgspec.json.decode(m.value, type=Incident) for m in bus.topics[INCIDENTS.name]]


def replayed(
    keys: list[KeyRecord], key_ids: list[str], bills: list[ProviderUsage]
) -> list[Incident]:
    """What a replay says."""
    return said_of(
        [
            *(control("key", record) for record in keys),
            *messages(traffic(*key_ids)),
            *(control("provider-usage", each, at=OBSERVED) for each in bills),
        ]
    )


def said_of(log: list[Message]) -> list[Incident]:
    """What a replay of a log says."""
    found: list[Incident] = []

    class Output:
        def take(self, batches: object, results: object) -> None:
            del batches
            found.extend(results.incidents)  # type: ignore[attr-defined]

        def windows(self, rows: object) -> None:
            """Nothing."""

    replay(log, rules(), [Output()])
    return found


def off_gateway(incidents: list[Incident]) -> list[str]:
    return [each.key_id for each in incidents if each.cause == "off_gateway"]


@settings(max_examples=12, deadline=None)
@given(
    owners=st.integers(0, 4),
    unrelated=st.integers(0, 2),
    stolen=st.sampled_from([0.0, 40.0]),
    lines=st.integers(1, 3),
)
async def test_a_bill_is_compared_with_all_keys_behind_it(
    owners: int, unrelated: int, stolen: float, lines: int
) -> None:
    """What all of those used who share the provider's key is no theft; what is beyond is."""
    mine = [f"key-{n}" for n in range(owners)]
    others = [f"other-{n}" for n in range(unrelated)]
    keys = [entry(each) for each in mine] + [entry(each, f"for-{each}") for each in others]
    due = owners * DOLLARS_AN_HOUR + stolen
    bills = [bill(due / lines, f"m{n}") for n in range(lines)]
    said = await streamed(keys, mine + others, bills)
    whose = mine[0] if owners == 1 else PROVIDER_KEY
    assert set(off_gateway(said)) == ({whose} if stolen else set())
    assert [encode(each) for each in said] == [
        encode(e) for e in replayed(keys, mine + others, bills)
    ]


async def test_a_registry_entry_and_its_change_reach_the_log_once_each() -> None:
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    record = entry("a")
    for each in (record, record, msgspec.structs.replace(record, status="revoked"), record):
        await bus.publish(KEYS, each, key="a")
        await bus.run_until_quiet()
    await bus.publish(KEYS, b"", key="a")
    await bus.run_until_quiet()
    entries = [m for m in bus.topics[USAGE_EVENTS.name] if m.record == "key" and m.key == b"a"]
    told = [msgspec.json.decode(m.value, type=KeyRecord) for m in entries]
    assert all(m.told_at == round(clock()) for m in entries)
    assert [each.status for each in told] == ["active", "revoked", "active", "active"]
    assert told[-1] == KeyRecord(key_id="a")


async def test_an_empty_message_takes_an_entry_out_by_the_key_itself() -> None:
    clock, secret = Clock(), "sk-proj-" + "aB3" * 20
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    for value in (encode(KeyRecord(key_id=secret, protected=True)), b""):
        await bus.publish(KEYS, value, key=secret)
        await bus.run_until_quiet()
    told = [msgspec.json.decode(m.value, type=KeyRecord) for m in bus.topics[USAGE_EVENTS.name]]
    key_id = public_key_id(secret)
    assert told == [KeyRecord(key_id=key_id, protected=True), KeyRecord(key_id=key_id)]


@pytest.mark.parametrize("key", ["", "k" * 129])
async def test_an_empty_message_under_what_is_no_id_stops_nobody(key: str) -> None:
    clock = Clock()
    first = ReconcileStage(1, [], clock)
    bus = CrashingBus([first], clock)
    await bus.publish(KEYS, b"", key=key)
    await bus.run_until_quiet()
    bus.restart(first, ReconcileStage(1, [], clock))
    await bus.tick(clock.now)
    assert bus.topics[USAGE_EVENTS.name] == []


async def test_bills_wait_until_the_registry_is_silent() -> None:
    """A bill that overtakes the second of two owners would look stolen."""
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    await bus.publish(PROVIDER_USAGE, bill(6.0))
    await bus.publish(KEYS, entry("a"), key="a")
    await bus.run_until_quiet()
    clock.now += SILENCE_SECONDS / 2
    await bus.publish(KEYS, entry("b"), key="b")
    await bus.run_until_quiet()
    clock.now += SILENCE_SECONDS / 2
    await bus.tick(clock.now)
    assert kinds(bus) == ["key", "key"]
    clock.now += SILENCE_SECONDS
    await bus.tick(clock.now)
    assert kinds(bus)[2:] == ["gateway-use"]


async def test_bills_wait_until_what_the_file_adds_to_the_registry_is_heard() -> None:
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [entry("a")], clock)], clock)
    await bus.publish(PROVIDER_USAGE, bill(6.0))
    await bus.run_until_quiet()
    for asked in (["key"], ["key", "provider-usage"]):
        clock.now += SILENCE_SECONDS
        await bus.tick(clock.now)
        assert kinds(bus) == asked


def kinds(bus: CrashingBus, topic: Topic = USAGE_EVENTS) -> list[str]:
    return [each.record for each in bus.topics[topic.name]]


async def test_a_clock_that_goes_back_holds_no_bill_up() -> None:
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    await bus.publish(KEYS, entry("a"), key="a")
    await bus.publish(PROVIDER_USAGE, bill(6.0))
    await bus.run_until_quiet()
    clock.now -= 3600.0
    await bus.tick(clock.now)
    assert kinds(bus) == ["key", "provider-usage"]


async def test_a_stage_that_died_goes_on_with_what_it_remembered() -> None:
    clock = Clock()
    first, second, third = (ReconcileStage(1, [], clock) for _ in range(3))
    bus = CrashingBus([first], clock)
    for each in ("a", "b"):
        await bus.publish(KEYS, entry(each), key=each)
    await bus.publish(PROVIDER_USAGE, bill(6.0))
    await bus.run_until_quiet()
    bus.restart(first, second)
    clock.now += SILENCE_SECONDS
    await bus.tick(clock.now)
    assert kinds(bus) == ["key", "key", "gateway-use"]
    bus.restart(second, third)
    question = msgspec.json.decode(bus.topics[USAGE_EVENTS.name][-1].value, type=UseQuestion)
    answer = UseAnswer(question_id=question.question_id, part=question.part, use=GatewayUse())
    await bus.publish(GATEWAY_USE, answer)
    await bus.run_until_quiet()
    assert kinds(bus)[3:] == ["provider-usage"]


async def test_who_left_a_providers_key_is_remembered_by_a_stage_that_died() -> None:
    """Its key was rotated, as the page advises: what the old one is billed for was its own use."""
    clock = Clock()
    clock.now = WINDOW[0] + 1800.0
    first, second = ReconcileStage(1, [], clock), ReconcileStage(1, [], clock)
    bus = CrashingBus([first], clock)
    for record in (entry("a"), entry("a", "provider-2")):
        await bus.publish(KEYS, record, key="a")
        await bus.run_until_quiet()
    bus.restart(first, second)
    await bus.publish(PROVIDER_USAGE, bill(6.0))
    await bus.run_until_quiet()
    clock.now += SILENCE_SECONDS
    await bus.tick(clock.now)
    routed = msgspec.json.decode(bus.topics[USAGE_EVENTS.name][-1].value, type=JoinedUsage)
    assert routed.key_id == "a"


def test_a_rotation_pages_nobody() -> None:
    """Neither under the key nor under the provider's, in a replay of the log."""
    rotated_at = WINDOW[0] + 1800.0
    log = [
        control("key", entry("a")),
        *messages(traffic("a")),
        control("key", entry("a", "provider-2"), at=rotated_at),
        control("provider-usage", bill(DOLLARS_AN_HOUR / 2), at=OBSERVED),
        control(
            "provider-usage",
            bill(DOLLARS_AN_HOUR / 2, provider_key_id="provider-2"),
            at=OBSERVED,
        ),
    ]
    assert not said_of(log)


async def test_what_an_earlier_release_remembered_goes_on() -> None:
    """A change that cannot read it needs a default for what is new, or a conversion."""
    stored = msgspec.json.decode(GOLDEN.read_bytes(), type=dict[str, msgspec.Raw])
    (window,) = (name.removeprefix("round/") for name in stored if name.startswith("round/"))
    clock = Clock()
    bus = CrashingBus([here := ReconcileStage(1, [], clock)], clock)
    for name, value in stored.items():
        bus.journal(here).put(name, bytes(value))
    use = GatewayUse(1, 10, 1_000_000_000, 1_789_999_999.0)
    answer = UseAnswer(question_id=f"{window}/{OBSERVED:.3f}", part=1, use=use)
    await bus.publish(GATEWAY_USE, answer)
    await bus.publish(PROVIDER_USAGE, bill(9.0))
    await bus.run_until_quiet()
    clock.now += SILENCE_SECONDS
    await bus.tick(clock.now)
    log = [message.value for message in bus.topics[USAGE_EVENTS.name]]
    answered, of_nobody = (msgspec.json.decode(each, type=JoinedUsage) for each in log[:2])
    assert answered.gateway == GatewayUse(6, 80, 3_000_000_000, 1_789_999_999.0)
    assert (of_nobody.key_id, of_nobody.cost_usd) == ("of-nobody", 1.0)
    assert msgspec.json.decode(log[2], type=UseQuestion).key_ids == ["a", "b"]


async def test_what_cannot_be_read_is_left_to_the_sink(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, secret = Clock(), "sk-proj-" + "aB3" * 20
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    for topic in (KEYS, PROVIDER_USAGE, GATEWAY_USE):
        await bus.publish(topic, b"{", key=secret)
    await bus.run_until_quiet()
    assert not kinds(bus)
    said = caplog.messages[0]
    assert said.startswith("keys at offset 0 ")
    assert public_key_id(secret) in said
    assert secret not in said


async def test_bills_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "BILLS_MAX", 3)
    clock = Clock()
    bus = CrashingBus([ReconcileStage(1, [], clock)], clock)
    for number in range(4):
        await bus.publish(PROVIDER_USAGE, bill(1.0, f"m{number}"))
    await bus.run_until_quiet()
    assert kinds(bus) == ["provider-usage"] * 4


async def test_nor_do_questions_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "ROUNDS_MAX", 2)
    clock = Clock()
    bus = CrashingBus([here := ReconcileStage(1, [], clock)], clock)
    for key_id in ("a", "b"):
        await bus.publish(KEYS, entry(key_id), key=key_id)
    for hour in range(4):
        start, end = (at + hour * HOUR for at in WINDOW)
        await bus.publish(PROVIDER_USAGE, bill(1.0, window_start=start, window_end=end))
        await bus.run_until_quiet()
        clock.now += SILENCE_SECONDS
        await bus.tick(clock.now)
    assert len(remembered("round/", bus.journal(here))) == 2


async def test_the_configured_registry_is_published_where_it_differs(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "keys.jsonl"
    path.write_bytes(encode(entry("a")) + b"\n" + encode(entry("b")) + b"\n")
    config = Config.model_construct(keys=path)
    stages = [ReconcileStage.from_config(config, clock)]
    bus = CrashingBus(stages, clock)
    await bus.publish(KEYS, entry("a"), key="a")
    await bus.run_until_quiet()
    await bus.tick(clock.now)
    assert [each.key for each in bus.topics[KEYS.name]] == [b"a", b"b"]
    bus.restart(stages[0], ReconcileStage.from_config(config, clock))
    await bus.tick(clock.now)
    assert [each.key for each in bus.topics[USAGE_EVENTS.name]] == [b"a", b"b"]


@pytest.mark.parametrize(("text", "said"), [("{}", "keys.jsonl:1"), (None, "cannot be read")])
def test_a_registry_that_cannot_be_read_is_said_by_its_setting(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "keys.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=f"^keys: .*{said}"):
        ReconcileStage.from_config(Config.model_construct(keys=path))


async def test_a_file_that_says_nothing_new_takes_back_nothing_of_the_topic() -> None:
    """Each tenure reads the file again, and an owner has protected his key over the topic."""
    clock = Clock()
    stages = [ReconcileStage(1, [], clock)]
    bus = CrashingBus(stages, clock)

    async def said(*registry: KeyRecord) -> list[bytes]:
        """What a new tenure with such a file puts into the topic."""
        before = len(bus.topics[KEYS.name])
        stages.append(ReconcileStage(1, registry, clock))
        bus.restart(stages[-2], stages[-1])
        await bus.tick(clock.now)
        await bus.run_until_quiet()
        return [message.key or b"" for message in bus.topics[KEYS.name][before:]]

    one, two = entry("a"), entry("b")
    assert await said(one, two) == [b"a", b"b"]
    protected = msgspec.structs.replace(one, protected=True)
    await bus.publish(KEYS, protected, key="a")
    await bus.run_until_quiet()
    assert await said(one, two) == []
    assert await said(msgspec.structs.replace(one, team="other"), two) == [b"a"]
    assert await said(one, two) == [b"a"]
    assert await said(one, two) == []
