"""The shell around the reports, against providers on this machine."""

import pytest
from pydantic import SecretStr

from pipeline.config import Poll
from pipeline.poll import asking
from pipeline.poll.asking import (
    ATTEMPTS_MAX,
    PAGES_MAX,
    AskingError,
    Reason,
    askers,
    check_providers,
)
from pipeline.poll.report import HOUR, HOURS, PAGE_HOURS, Report
from tests.support.events import START
from tests.support.usage_reports import ADMIN_KEY, FakeProvider, Fault, Used, reporting

NOW = START + 5 * HOUR
OVER = int(START) + 3 * HOUR
PROVIDERS = ("openai", "anthropic")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 5.0)


async def ask(provider: FakeProvider, name: str) -> tuple[Report, list[Reason]]:
    failed: list[Reason] = []
    (asker,) = askers(provider.poll(name))
    return await asker.report(Report(NOW), failed.append), failed


async def refused(provider: FakeProvider, name: str = "openai") -> tuple[AskingError, list[Reason]]:
    failed: list[Reason] = []
    (asker,) = askers(provider.poll(name))
    with pytest.raises(AskingError) as caught:
        await asker.report(Report(NOW), failed.append)
    error = caught.value
    assert ADMIN_KEY not in f"{error!r} {error} {error.__context__!r} {asker!r}"
    return error, failed


@pytest.mark.parametrize("name", PROVIDERS)
async def test_pages_are_followed_to_the_end(name: str) -> None:
    hours = [Used(OVER - n * HOUR, key=f"k{n % 3}") for n in range(HOURS)]
    async with reporting(used=hours) as provider:
        report, failed = await ask(provider, name)
    assert sorted(report.hours) == sorted(each.start for each in hours)
    assert failed == []
    pages = [query.get("page") for path, query in provider.asked if "embeddings" not in path]
    assert len(set(map(str, pages))) == HOURS // PAGE_HOURS


async def test_openais_embeddings_are_part_of_the_bill() -> None:
    used, embeddings = [Used(OVER)], [Used(OVER, model="text-embedding-3-small", output=0)]
    async with reporting(used=used, embeddings=embeddings) as provider:
        report, _ = await ask(provider, "openai")
    assert sorted(report.hours[OVER]["key_abc"]) == [
        "gpt-4o-mini-2024-07-18",
        "text-embedding-3-small",
    ]


async def test_pages_have_an_end() -> None:
    async with reporting(endless=True) as provider:
        error, failed = await refused(provider)
    assert error.reason == "unreadable"
    assert "more than 200 pages" in str(error)
    assert failed == ["unreadable"]
    assert len(provider.asked) == PAGES_MAX


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("429", "throttled"), ("503", "unavailable"), ("cut", "unavailable")],
)
async def test_what_passes_is_tried_again(name: str, fault: Fault, reason: Reason) -> None:
    async with reporting(used=[Used(OVER)], faults=[fault] * (ATTEMPTS_MAX - 1)) as provider:
        report, failed = await ask(provider, name)
    assert list(report.hours) == [OVER]
    # the client repeats by itself what was cut off
    assert failed == [reason] * ((ATTEMPTS_MAX - 1) // (2 if fault == "cut" else 1))


@pytest.mark.parametrize("fault", ["429", "503"])
async def test_what_does_not_pass_is_given_up(fault: Fault) -> None:
    async with reporting(faults=[fault] * 100) as provider:
        error, failed = await refused(provider)
    assert str(error) == f"it answers {fault}"
    assert len(failed) == len(provider.asked) == ATTEMPTS_MAX


async def test_a_provider_says_how_long_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else this test would take days."""
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 1e6)
    monkeypatch.setattr(asking, "PAUSE_SECONDS_MAX", 1e6)
    async with reporting(used=[Used(OVER)], faults=["429"], retry_after="0") as provider:
        report, failed = await ask(provider, "openai")
    assert list(report.hours) == [OVER]
    assert failed == ["throttled"]


@pytest.mark.parametrize("fault", ["401", "403"])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_key_without_rights_is_named_by_its_setting(name: str, fault: Fault) -> None:
    async with reporting(faults=[fault]) as provider:
        error, failed = await refused(provider, name)
    assert f"it answers {fault}: poll.{name}_admin_key is wrong" in str(error)
    assert failed == ["key_refused"]
    assert len(provider.asked) == 1, "it is not tried again"


@pytest.mark.parametrize(("fault", "said"), [("404", "404"), ("302", "302"), ("broken", "no page")])
async def test_answers_that_are_no_report(fault: Fault, said: str) -> None:
    """A redirect is not followed: the key would go with it."""
    async with reporting(faults=[fault]) as provider:
        error, failed = await refused(provider)
    assert error.reason == "unreadable"
    assert said in str(error)
    assert failed == ["unreadable"]
    assert len(provider.asked) == 1


async def test_a_body_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.05)
    async with reporting(faults=["slow"] * ATTEMPTS_MAX) as provider:
        error, failed = await refused(provider)
    assert "no answer within" in str(error)
    assert failed == ["unavailable"] * ATTEMPTS_MAX


async def test_a_body_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAGE_BYTES_MAX", 100_000)
    async with reporting(faults=["huge"]) as provider:
        error, failed = await refused(provider)
    assert str(error) == "a page of more than 100000 bytes"
    assert failed == ["unreadable"]


async def test_a_body_may_be_larger_than_other_answers() -> None:
    many = [Used(OVER, key=f"key_{n}") for n in range(1000)]
    async with reporting(used=many) as provider:
        report, _ = await ask(provider, "openai")
    assert len(report.hours[OVER]) == len(many)


async def test_who_is_not_there_is_said() -> None:
    poll = Poll(openai_admin_key=SecretStr(ADMIN_KEY), openai_url="http://127.0.0.1:9")
    (asker,) = askers(poll)
    with pytest.raises(AskingError, match="cannot connect"):
        await asker.report(Report(NOW), lambda _: None)


async def test_check_config_asks_every_provider_once() -> None:
    async with reporting(admin_key="another") as provider:
        lines = await check_providers(provider.poll(*PROVIDERS), NOW)
    assert [line.partition(":")[0] for line in lines] == [
        "poll.openai_admin_key",
        "poll.anthropic_admin_key",
    ]
    assert all("401" in line and ADMIN_KEY not in line for line in lines)
    async with reporting() as provider:
        assert await check_providers(provider.poll(*PROVIDERS), NOW) == []
        assert len(provider.asked) == len(PROVIDERS)
    assert await check_providers(Poll(), NOW) == []
