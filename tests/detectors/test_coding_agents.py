"""Long prompts and other models are how coding agents work, whoever uses one."""

from collections.abc import Callable

import pytest

from detectors.baselines.coding_agents import is_coding_agent
from detectors.baselines.slices import client_of
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, burst
from tests.support.examples import NOW, findings, honest

AGENTS = [
    "claude-cli/2.0.14 (external, cli)",
    "codex_cli_rs/0.46.0 (Mac OS 15.6; arm64)",
    "Cursor/1.7.33",
    "Cline/3.31.0",
    "aider/0.86.1",
]
OTHERS = [
    "OpenAI/Python 1.52.0",
    "curl/8.9.1",
    "Mozilla/5.0 (Macintosh)",
    "anthropic-sdk/0.39",
    "zedtool/1.0",
    "Cursorless/2.1",
    "",
]


def stuffed(user_agent: str) -> list[UsageEvent]:
    return burst(NOW, 20, user_agent=user_agent, input_tokens=180_000, cost_usd=0.45)


def stranger(user_agent: str) -> list[UsageEvent]:
    return burst(NOW, 40, user_agent=user_agent, input_tokens=180_000, client_ip=ABROAD)


def dear(user_agent: str) -> list[UsageEvent]:
    return burst(NOW, 10, user_agent=user_agent, model="o1-pro", cost_usd=2.0)


WORK: dict[str, Callable[[str], list[UsageEvent]]] = {
    "token_stuffing": stuffed,
    "request_shape": stranger,
    "model_mix": dear,
}


def most(detector: str, *parts: list[UsageEvent]) -> float:
    """The most that a detector finds in something on top of honest days; 0: nothing."""
    return max((each.score for each in findings(detector, lambda: honest(*parts))), default=0.0)


@pytest.mark.parametrize("user_agent", AGENTS)
def test_coding_agents_are_known(user_agent: str) -> None:
    assert is_coding_agent(client_of(user_agent))


@pytest.mark.parametrize("user_agent", OTHERS)
def test_others_are_none(user_agent: str) -> None:
    assert not is_coding_agent(client_of(user_agent))


@pytest.mark.parametrize("detector", WORK)
def test_what_a_coding_agent_asks_for_counts_less(detector: str) -> None:
    work = WORK[detector]
    assert most(detector, work(AGENTS[0])) < 0.5 * most(detector, work("acme/1.0"))


@pytest.mark.parametrize("detector", WORK)
def test_what_others_ask_for_beside_one_counts_in_full(detector: str) -> None:
    beside = burst(NOW + 0.5, 5, user_agent=AGENTS[0])
    script, agent = (WORK[detector](each) for each in ("acme/1.0", AGENTS[0]))
    assert most(detector, beside, script) > 2.0 * most(detector, beside, agent)


def test_that_a_stranger_uses_one_counts_in_full() -> None:
    script, agent = (
        burst(NOW, 20, client_ip=ABROAD, user_agent=each) for each in ("acme/1.0", AGENTS[0])
    )
    for detector in ("new_source", "new_client"):
        assert most(detector, agent) == most(detector, script) > 0.0
