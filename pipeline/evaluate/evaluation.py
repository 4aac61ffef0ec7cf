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
    intervals = [(attack, _interval(attack)) for attack in judgement.attacks]
    wanted = [(attack.label.key_id, interval) for attack, interval in intervals]
    exposure = measure(events, wanted, price)
    for attack, interval in intervals:
        known = loss(attack.label, attack.page.at if attack.page else None)
        attack.lost_usd = to_dollars(interval.nanos) if known is None else known
    return summarise(judgement, exposure)


def _interval(attack: Attack) -> Interval:
    if attack.label.malicious_spend is not None:
        return Interval(1.0, 0.0)
    end = epoch(attack.label.ended_at)
    return Interval(
        epoch(attack.label.started_at), min(end, attack.page.at) if attack.page else end
    )
