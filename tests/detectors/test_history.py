"""What an hour teaches of a key, and what it does not."""

import pytest
from msgspec.structs import replace

from detectors.baselines.history import History
from detectors.baselines.learning import learn
from detectors.baselines.level import Level
from detectors.baselines.newcomers import newcomer_from
from detectors.baselines.slices import Slice
from detectors.baselines.windows import HourWindow
from pipeline.enrich.sources import Source


def hour(tokens: int, *, doubtful: bool = False) -> HourWindow:
    """Ten requests of so many input tokens each."""
    return HourWindow(
        requests=10, input_tokens=10 * tokens, nanos=10**9, longest=tokens, doubtful=doubtful
    )


def working(hours: int) -> History:
    """A key whose prompts have a thousand tokens."""
    history = History(first_seen=3600.0 * 400_000)
    for number in range(hours):
        learn(history, 400_000 + number, None, [], hour(1000))
    return history


def test_an_hour_in_doubt_teaches_nothing_but_volume() -> None:
    history = working(20)
    learn(history, 400_020, None, [], hour(50_000, doubtful=True))
    assert history.longest == pytest.approx(1000, rel=0.05)
    assert history.prompt.record == pytest.approx(1000, rel=0.05)
    assert history.prompt.usual == pytest.approx(1000)
    assert history.volume.last == 400_020


def test_one_hour_of_long_prompts_does_not_make_the_next_usual() -> None:
    history = working(20)
    learn(history, 400_020, None, [], hour(50_000))
    assert history.prompt.record == pytest.approx(1500, rel=0.05)
    assert history.longest == 50_000, "one long document is nobody's bulk"
    for number in range(12):
        learn(history, 400_021 + number, None, [], hour(50_000))
    assert history.prompt.record == pytest.approx(50_000)


def test_a_young_key_learns_its_longest_prompts_at_once() -> None:
    history = working(5)
    learn(history, 400_005, None, [], hour(50_000))
    assert history.longest == history.prompt.record == 50_000


def test_a_newcomer_becomes_the_keys_own_after_three_hours_and_a_day() -> None:
    source = Source("200.160.2.3", "200.160.2.0/24", "BR", None, None, None, 1)

    def own(*hours: int, requests: int = 5) -> list[bool]:
        seen = ("country", "BR", 5.0)
        newcomer = newcomer_from(source, seen, 60 * 400_000, forbidden=False)
        newcomer.totals.requests = requests
        return [newcomer.learn(400_000 + hour) for hour in hours]

    assert own(0, 1, 2, 23, 24) == [False, False, False, False, True]
    assert own(0, 30, 31) == [False, False, True]
    assert own(0, 30, 31, 60, requests=4) == [False] * 4, "too few for anybody to be told of"


def test_a_level_starts_with_its_first_value() -> None:
    level = Level()
    level.learn(7)
    assert level.record == 7.0


HERE = Source("84.112.77.1", "84.112.77.0/24", "AT", None, None, None, 1)
ELSEWHERE = Source("41.58.12.7", "41.58.12.0/24", "NG", None, None, None, 1)
USUAL = Slice("", "python-httpx", "gpt-4o", "chat", "ok", exposed=False)


@pytest.mark.parametrize(
    ("changes", "novel"),
    [
        ({}, False),
        ({"outcome": "limited"}, False),
        ({"outcome": "auth"}, True),
        ({"exposed": True}, True),
        ({"model": "o1"}, True),
        ({"model": ""}, False),
        ({"client": "curl"}, True),
        ({"client": ""}, False),
    ],
)
def test_what_the_key_is_not_known_to_do_is_worth_a_look(
    changes: dict[str, object], *, novel: bool
) -> None:
    history = working(20)
    for number in range(20):
        history.models.learn({USUAL.model}, number)
    history.clients.learn({USUAL.client}, 0)
    history.prefixes.learn({HERE.prefix}, 0)
    what = replace(USUAL, **changes)
    assert history.is_novel(what, HERE) is novel
    assert history.is_novel(what, None) is novel
    assert history.is_novel(what, ELSEWHERE)
    history.exposed_hours = 1.0
    assert history.is_novel(replace(what, exposed=True), HERE) is (novel and not what.exposed)
