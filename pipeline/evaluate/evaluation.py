"""Incidents, labels and events in; a report out.

Dollars lost are what the attack had spent when the page came. A label that knows its spend over
time (`malicious_spend`) says it exactly; otherwise everything that the key spent from the label's
start to the page counts, the owner's own use included, because nothing in an event tells the two
apart.
"""

from collections.abc import Iterable

from pipeline.evaluate.exposure import Interval, Price, measure, stated_cost
from pipeline.evaluate.judge import Attack, judge, loss
from pipeline.evaluate.pages import Page, pages
from pipeline.evaluate.report import Report, summarise
from schemas.fields import epoch, to_dollars
from schemas.incident import Incident
from schemas.label import Label
from schemas.usage_event import UsageEvent


def evaluate(
    incidents: Iterable[Incident],
    labels: Iterable[Label],
    events: Iterable[UsageEvent],
    price: Price = stated_cost,
) -> Report:
    """Judge incidents; events are read once and not kept."""
    return evaluate_pages(pages(incidents), labels, events, price)


def evaluate_pages(
    paged: Iterable[Page],
    labels: Iterable[Label],
    events: Iterable[UsageEvent],
    price: Price = stated_cost,
) -> Report:
    """Judge pages, wherever they come from."""
    judgement = judge(paged, labels)
    unknown = [each for each in judgement.attacks if each.label.malicious_spend is None]
    intervals = [(attack, *_intervals(attack)) for attack in unknown]
    wanted = [(attack.label.key_id, each) for attack, *both in intervals for each in both]
    exposure = measure(events, wanted, price)
    for attack in judgement.attacks:
        attack.lost_usd = loss(attack.label, attack.page.at if attack.page else None) or 0.0
        attack.spent_usd = loss(attack.label, None) or 0.0
    for attack, before, whole in intervals:
        attack.lost_usd, attack.spent_usd = to_dollars(before.nanos), to_dollars(whole.nanos)
    return summarise(judgement, exposure)


def _intervals(attack: Attack) -> tuple[Interval, Interval]:
    """The time before the page, and all of it."""
    start, end = epoch(attack.label.started_at), epoch(attack.label.ended_at)
    paged = min(end, attack.page.at) if attack.page else end
    return Interval(start, paged), Interval(start, end)
