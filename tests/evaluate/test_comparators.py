"""The other ways to page, on inputs small enough to follow."""

from collections.abc import Iterable

import pytest

from pipeline.evaluate.comparators import (
    Comparator,
    HourOfWeek,
    LitellmRule,
    RiverGaussian,
    RiverTrees,
    StaticThresholds,
    all_comparators,
    run,
)
from pipeline.evaluate.pages import Page
from schemas.usage_event import UsageEvent

HOUR, DAY = 3600.0, 86_400.0
START = 20_000 * DAY


def event(at: float, usd: float = 0.01, ip: str = "73.1.2.3") -> UsageEvent:
    return UsageEvent(
        event_id=f"e{at}", occurred_at=START + at, key_id="k", cost_usd=usd, client_ip=ip
    )


def paged(comparator: Comparator, events: Iterable[UsageEvent]) -> list[Page]:
    return run([comparator], events)[comparator.name]


def steady(days: int, per_hour: int = 6, usd: float = 0.5) -> list[UsageEvent]:
    count = days * 24 * per_hour
    return [event(i * HOUR / per_hour, usd) for i in range(count)]


def burst(at: float, count: int, usd: float = 0.5) -> list[UsageEvent]:
    return [event(at + i, usd) for i in range(count)]


@pytest.mark.parametrize(
    "comparator", [LitellmRule(), StaticThresholds(), HourOfWeek()], ids=lambda each: each.name
)
def test_steady_use_pages_nobody(comparator: Comparator) -> None:
    assert not paged(comparator, steady(9))


def test_each_has_a_name_of_its_own() -> None:
    assert len({comparator.name for comparator in all_comparators()}) == len(all_comparators())


def test_litellms_rule_needs_three_times_the_mean_and_ten_dollars() -> None:
    after = [event(5 * DAY + 2 * HOUR)]
    calm = steady(5)  # $3 an hour
    found = paged(LitellmRule(), calm + burst(5 * DAY, 40) + after)  # $20
    assert [page.at for page in found] == [START + 5 * DAY + HOUR]
    assert not paged(LitellmRule(), calm + burst(5 * DAY, 17) + after)  # $8.50, under three times
    cheap = steady(5, usd=0.05)
    assert not paged(LitellmRule(), cheap + burst(5 * DAY, 19) + after)  # $9.50, under ten dollars


def test_static_thresholds_page_on_a_new_country_at_once() -> None:
    found = paged(StaticThresholds(), [*steady(1), event(DAY, ip="95.24.1.1")])
    assert [page.at for page in found] == [START + DAY]


def test_static_thresholds_page_at_ten_times_the_mean_once_an_hour() -> None:
    found = paged(StaticThresholds(), steady(2) + burst(2 * DAY, 200))
    assert [page.at for page in found] == [START + 2 * DAY + 59]


def test_the_z_score_knows_the_hour() -> None:
    nightly = [e for day in range(9) for e in burst(day * DAY + 2 * HOUR, 50)]
    other = burst(9 * DAY + 5 * HOUR, 50)
    after = [event(9 * DAY + 8 * HOUR)]
    found = paged(HourOfWeek(), nightly + other + after)
    assert [page.at for page in found] == [START + 9 * DAY + 6 * HOUR]


def test_rivers_gaussian_pages_when_spend_leaves_the_tail() -> None:
    noisy = [event(i * 100.0, 0.5 + (i % 5) * 0.05) for i in range(2000)]
    end = 2000 * 100.0
    found = paged(RiverGaussian(), [*noisy, *burst(end, 300, 5.0), event(end + 1200)])
    assert [page.at for page in found if page.at > START + end]


def test_rivers_trees_repeat_themselves() -> None:
    events = steady(4) + burst(4 * DAY, 300) + [event(4 * DAY + HOUR)]
    assert paged(RiverTrees(), events) == paged(RiverTrees(), events)
