from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reconcile.join import (
    FORMER_SECONDS,
    LINES_MAX,
    QUESTION_BYTES_MAX,
    ROUNDS_MAX,
    Join,
    Routed,
)
from schemas.codec import CONTROL_BYTES_MAX, encode
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.provider_usage import JoinedUsage, ProviderUsage
from tests.reconcile.bills import OBSERVED, PROVIDER_KEY, WINDOW, bill, entry
from tests.support.events import HOUR

PARTITIONS = 5


def joined(*key_ids: str) -> Join:
    join = Join(PARTITIONS)
    for key_id in key_ids:
        join.register(entry(key_id))
    return join


def questions(routed: list[Routed]) -> list[UseQuestion]:
    return [each for each in routed if isinstance(each, UseQuestion)]


def answered(question: UseQuestion, nanos: int = 1) -> UseAnswer:
    use = GatewayUse(requests=1, tokens=1, nanos=nanos, first_seen=5.0 + question.part)
    return UseAnswer(question_id=question.question_id, part=question.part, use=use)


def whose(routed: list[Routed]) -> list[str | None]:
    return [each.key_id for each in routed if isinstance(each, JoinedUsage)]


def test_a_bill_that_names_its_key_is_that_keys() -> None:
    routed = list(joined("a", "b").route([bill(1.0, key_id="somebody")]))
    assert whose(routed) == ["somebody"]


def test_the_only_key_behind_the_providers_gets_the_bill() -> None:
    assert whose(list(joined("a").route([bill(1.0)]))) == ["a"]


def test_without_a_key_behind_it_the_bill_is_the_providers_keys_own() -> None:
    assert whose(list(joined().route([bill(1.0)]))) == [PROVIDER_KEY]


def test_a_key_that_moves_to_another_providers_key_leaves_the_first() -> None:
    join = joined("a", "b")
    join.register(entry("b", "provider-2"))
    assert whose(list(join.route([bill(1.0), bill(1.0, provider_key_id="provider-2")]))) == [
        "a",
        "b",
    ]


def of_window(hours: float, **changes: object) -> ProviderUsage:
    """A bill for an hour that begins so many hours after that of `WINDOW`."""
    start, end = (each + hours * HOUR for each in WINDOW)
    return bill(1.0, window_start=start, window_end=end, **changes)  # type: ignore[arg-type]


def test_a_key_that_left_answers_for_the_windows_in_which_it_was_there() -> None:
    """Rotated in the middle of an hour, and that hour and those before it are billed later."""
    for entry_after in (entry("a", "provider-2"), KeyRecord(key_id="a")):
        join = joined("a")
        join.register(entry_after, WINDOW[0] + 0.5 * HOUR)
        bills = [of_window(hours) for hours in (-1.0, 0.0, 2.0)]
        assert whose(list(join.route(bills))) == ["a", "a", PROVIDER_KEY]


def test_who_left_is_asked_beside_who_stayed_or_came() -> None:
    join = joined("a", "b")
    join.register(entry("b", "provider-2"), WINDOW[1])
    join.register(entry("c"), WINDOW[1])
    before, after = (questions(list(join.route([of_window(hours)]))) for hours in (0.0, 3.0))
    assert sorted(key for each in before for key in each.key_ids) == ["a", "b", "c"]
    assert sorted(key for each in after for key in each.key_ids) == ["a", "c"]


def test_who_comes_back_is_there_once() -> None:
    join = joined("a")
    for provider_key in ("provider-2", PROVIDER_KEY):
        join.register(entry("a", provider_key), WINDOW[1])
    assert whose(list(join.route([of_window(0.0), of_window(9.0)]))) == ["a", "a"]


def test_a_corrected_entry_leaves_nobody_behind_where_it_stays() -> None:
    join = joined("a")
    assert join.register(msgspec.structs.replace(entry("a"), alias="x"), WINDOW[1]) == []
    assert not join.former


def test_who_left_is_forgotten_in_time() -> None:
    join = joined("a", "b")
    assert join.register(entry("a", "provider-2"), WINDOW[1]) == [PROVIDER_KEY]
    later = WINDOW[1] + FORMER_SECONDS + 1.0
    changed = join.register(entry("a", "provider-3"), later)
    assert sorted(changed) == [PROVIDER_KEY, "provider-2"]
    assert join.former == {"provider-2": {"a": later}}


def test_who_left_is_remembered_when_another_leaves() -> None:
    join = joined("a", "b")
    at = {"a": WINDOW[1], "b": WINDOW[1] + FORMER_SECONDS / 2}
    for key_id, left_at in at.items():
        join.register(entry(key_id, "provider-2"), left_at)
    assert join.former == {PROVIDER_KEY: at}


def test_a_window_of_two_providers_is_asked_about_once_for_each() -> None:
    join = joined("a", "b")
    asked = questions(list(join.route([bill(1.0), bill(1.0, provider="anthropic")])))
    assert {each.provider for each in asked} == {"openai", "anthropic"}
    assert len(join.rounds) == 2


def test_what_was_observed_earlier_takes_no_later_ones_place_in_a_round() -> None:
    join = joined("a", "b")
    list(join.route([bill(1.0)]))
    asked = questions(list(join.route([bill(9.0, observed_at=OBSERVED - 60)])))
    (ready,) = [line for each in asked for line in join.take(answered(each))]
    assert ready.cost_usd == 1.0


def test_nobody_but_detection_says_what_the_gateway_saw() -> None:
    told = msgspec.structs.asdict(bill(1.0))
    claimed = JoinedUsage(**told, gateway=GatewayUse(nanos=10**12))
    for join in (joined(), joined("a")):
        (routed,) = join.route([claimed])
        assert isinstance(routed, JoinedUsage)
        assert routed.gateway is None


@given(st.sets(st.integers(0, 400).map("key-{}".format), min_size=2), st.randoms())
def test_several_keys_are_asked_each_once_and_where_they_are(
    key_ids: set[str], random: Random
) -> None:
    join = joined(*key_ids)
    asked = questions(list(join.route([bill(1.0, "m1"), bill(2.0, "m2")])))
    assert sorted(key for each in asked for key in each.key_ids) == sorted(key_ids)
    for each in asked:
        assert len({partition_of(key, PARTITIONS) for key in each.key_ids}) == 1
    random.shuffle(asked)
    for each in asked[:-1]:
        assert not join.take(answered(each, 7))
        assert not join.take(answered(each, 7)), "an answer that comes twice counts once"
    ready = join.take(answered(asked[-1], 7))
    assert [(line.model, line.key_id) for line in ready] == [
        ("m1", PROVIDER_KEY),
        ("m2", PROVIDER_KEY),
    ]
    for line in ready:
        assert line.gateway == GatewayUse(
            requests=len(asked), tokens=len(asked), nanos=7 * len(asked), first_seen=5.0
        )
    assert not join.rounds


@pytest.mark.parametrize("filler", ["0", "\x01", "\u00fc", "\U0001f511"])
def test_questions_fit_into_a_control_record(filler: str) -> None:
    join = joined(*(f"{number:{filler}>128}" for number in range(1_000)))
    asked = questions(list(join.route([bill(1.0)])))
    assert sum(len(each.key_ids) for each in asked) == 1_000
    assert all(len(encode(each)) <= CONTROL_BYTES_MAX for each in asked)
    assert QUESTION_BYTES_MAX < CONTROL_BYTES_MAX


def test_a_later_bill_begins_the_round_anew_with_every_line() -> None:
    join = joined("a", "b")
    before = questions(list(join.route([bill(1.0, "m1")])))
    later = bill(5.0, "m2", observed_at=OBSERVED + 60)
    again = questions(list(join.route([later])))
    for each in before:
        assert not join.take(answered(each)), "the earlier round is over"
    ready = [line for each in again for line in join.take(answered(each))]
    assert {(each.model, each.cost_usd) for each in ready} == {("m1", 1.0), ("m2", 5.0)}


def test_an_answer_nobody_waits_for_is_left_alone() -> None:
    use = GatewayUse()
    assert not joined("a", "b").take(UseAnswer(question_id="x/1/2/3", part=0, use=use))


def test_rounds_and_lines_are_bounded() -> None:
    join = joined("a", "b")
    hour = WINDOW[1] - WINDOW[0]
    many = [
        bill(1.0, window_start=WINDOW[0] + n * hour, window_end=WINDOW[1] + n * hour)
        for n in range(ROUNDS_MAX + 5)
    ]
    list(join.route(many))
    assert len(join.rounds) == ROUNDS_MAX
    list(join.route([bill(1.0, f"m{n}") for n in range(LINES_MAX + 5)]))
    assert max(len(each.bills) for each in join.rounds.values()) == LINES_MAX
