"""Examples of `probing`: what it fires on, and near misses."""

import msgspec
import pytest

from detectors.baselines.newcomers import STRANGE_NATS
from detectors.probing import Probing
from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import ABROAD, HOME, burst, event, in_time, messages, office, thief
from tests.support.examples import HONEST_DAYS, NOW, Example, findings, honest, listen


def tries(status: int, count: int, **changes: object) -> list[UsageEvent]:
    by = {"client_ip": ABROAD} | changes
    return [
        event(NOW + n * 5, model=f"model-{n}", status=status, cost_usd=0.0, **by)
        for n in range(count)
    ]


def tastes(count: int, **changes: object) -> list[UsageEvent]:
    by = {"client_ip": ABROAD, "input_tokens": 9, "output_tokens": 1, "cost_usd": 1e-6} | changes
    return [event(NOW + n * 5, model=f"model-{n}", **by) for n in range(count)]


def classifying() -> list[Message]:
    """A key whose answers have always been a word, and somebody who tries models with it."""
    words = [msgspec.structs.replace(each, output_tokens=2) for each in office(HONEST_DAYS)]
    return messages(in_time(words, tastes(4)), 60)


LISTING = event(NOW, client_ip=ABROAD, operation="models.list", model=None, cost_usd=0.0)

FIRES: dict[str, Example] = {
    "many models refused": lambda: honest(tries(404, 6)),
    "models asked for a word": lambda: honest(tastes(4)),
    "models listed and tried": lambda: honest([LISTING], tries(200, 4)),
}
QUIET: dict[str, Example] = {
    "one typo": lambda: honest(tries(404, 1)),
    "an outage": lambda: honest(burst(NOW, 60, status=503)),
    "two models asked for a word": lambda: honest(tastes(2)),
    "its own health checks": lambda: honest(tastes(8, client_ip=HOME[0])),
    "a stranger's short work": lambda: honest(tastes(4, output_tokens=12)),
    "answers as short as ever": classifying,
    "a stranger's embeddings": lambda: honest(tastes(4, output_tokens=0)),
    "a limit reached": lambda: honest(burst(NOW, 60, status=429)),
    "a thief who knows": lambda: honest(thief(NOW)),
}


def test_it_says_what_there_was_and_what_is_usual() -> None:
    (*_, found) = findings("probing", lambda: honest(tastes(4)))
    assert found.summary == (
        "In 15 minutes 4 models asked by new sources for a word alone, 4 models never used before; "
        "usually the key uses 2 models, and 0.0% of its requests fail."
    )


def test_the_owners_program_may_be_wrong_about_what_it_may_use() -> None:
    def most(**changes: object) -> float:
        return max(
            each.score for each in findings("probing", lambda: honest(tries(404, 40, **changes)))
        )

    own = most(client_ip=HOME[0])
    assert own < 0.6 * most()
    assert own < 0.6 * most(client_ip=HOME[0], user_agent="curl/8.5.0")


def test_another_machine_of_the_owners_may_check_all_models() -> None:
    key = [each.key for each in listen(honest(tastes(4))) if each.detector == "probing"][-1]
    assert Probing().judge(key) is not None, "a stranger may not"
    for newcomer in key.newcomers:
        newcomer.nats = STRANGE_NATS - 0.1
    assert Probing().judge(key) is None


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("probing", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("probing", example)
