"""Examples of `token_stuffing`: what it fires on, and near misses."""

import pytest
from msgspec.structs import replace

from pipeline.message import Message
from tests.support.events import (
    ABROAD,
    DAY,
    HOME,
    KEY,
    MINUTE,
    START,
    burst,
    event,
    messages,
    office,
    run,
    workday,
)
from tests.support.examples import HONEST_DAYS, NOW, Example, findings, honest


def conversation(
    cached: float = 0.9, step: float = 1.15, every: int = 1, later: int = 0, **changes: object
) -> list[Message]:
    """An agent at work for an hour and a half: each prompt holds the last one, and more.

    Args:
        cached: share of the prompts that the provider knows …
        every: … of every so many requests.
        step: by which they grow.
        later: prompts of the next day, all of them long.
        changes: to the events.
    """
    lengths = [round(900 * step ** min(number, 40)) for number in range(90)]
    agent = [
        event(
            NOW + number * MINUTE,
            input_tokens=length,
            cached_input_tokens=0 if number % every else round(cached * length),
            cost_usd=length / 1e6,
            **changes,
        )
        for number, length in enumerate(lengths)
    ]
    return honest(agent, burst(NOW + DAY, later, input_tokens=100_000, cost_usd=0.3))


FIRES: dict[str, Example] = {
    "prompts that grow, of which the provider knows little": lambda: conversation(0.1),
    "prompts that grow too fast": lambda: conversation(step=9.0),
    "as long prompts at once, when the conversation is over": lambda: conversation(later=20),
    "a conversation of a stranger's": lambda: conversation(client_ip=ABROAD),
    "books hidden in a flood of short prompts": lambda: honest(
        burst(NOW, 3_000, seconds=1200, input_tokens=300, cost_usd=0.001),
        burst(NOW + 60, 8, input_tokens=180_000, cost_usd=0.45),
    ),
    "prompts as long as books": lambda: honest(burst(NOW, 20, input_tokens=180_000, cost_usd=0.45)),
}
QUIET: dict[str, Example] = {
    "a conversation that goes on": conversation,
    "one that the provider forgets now and then": lambda: conversation(every=3),
    "prompts as usual": lambda: honest(burst(NOW, 60)),
    "somewhat longer": lambda: honest(burst(NOW, 20, input_tokens=1_500)),
    "one book": lambda: honest(burst(NOW, 1, input_tokens=180_000, cost_usd=0.45)),
}


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("token_stuffing", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("token_stuffing", example)


def test_the_longer_what_hides_among_short_prompts_the_surer() -> None:
    def most(tokens: int) -> float:
        flood = burst(NOW, 3_000, seconds=1200, input_tokens=300, cost_usd=0.001)
        log = honest(flood, burst(NOW + 60, 8, input_tokens=tokens, cost_usd=0.45))
        return max(each.score for each in findings("token_stuffing", lambda: log))

    assert most(10_000) < 0.6 * most(180_000)


def test_no_conversation_has_begun_while_the_provider_knows_nothing() -> None:
    state = run(messages(burst(START, 20))).fold.state_of(KEY)
    assert state is not None
    assert state.windows.conversation == 0


def test_prompts_without_a_price_are_not_taken_for_free() -> None:
    def most(model: str, cost_usd: float | None) -> float:
        log = honest(burst(NOW, 20, input_tokens=180_000, model=model, cost_usd=cost_usd))
        return max(each.score for each in findings("token_stuffing", lambda: log))

    assert most("ft:our-own", None) == most("gpt-4o", 0.45)


def test_a_long_document_of_the_owners_is_worth_what_it_costs() -> None:
    def most(cost_usd: float, requests: int = 6, client_ip: str = HOME[0]) -> float:
        log = honest(
            burst(NOW, requests, input_tokens=60_000, cost_usd=cost_usd, client_ip=client_ip)
        )
        return max(each.score for each in findings("token_stuffing", lambda: log))

    cheap = most(0.001)
    assert cheap < 0.6 * most(0.2)
    assert cheap < 0.6 * most(0.001, client_ip=ABROAD)
    assert cheap < 0.6 * most(0.001, requests=60), "so many are no documents"


def test_of_a_key_without_addresses_nobody_knows_whose_documents_they_are() -> None:
    def most(client_ip: str | None) -> float:
        days = [replace(each, client_ip=client_ip) for each in office(HONEST_DAYS)]
        long = burst(NOW, 6, input_tokens=60_000, cost_usd=0.001, client_ip=client_ip)
        log = messages([*days, *long], 60)
        return max(each.score for each in findings("token_stuffing", lambda: log))

    assert most(HOME[0]) < 0.6 * most(None)


def test_long_prompts_add_up_over_the_hour() -> None:
    log = honest(
        *(burst(workday(day, 10), 1, input_tokens=20_000, cost_usd=0.05) for day in (2, 3, 4)),
        burst(NOW + 300, 5, seconds=3000, input_tokens=25_000, cost_usd=0.1),
    )
    found = findings("token_stuffing", lambda: log)
    assert max(each.score for each in found) > 5.0
    assert "in this hour" in found[-1].summary
