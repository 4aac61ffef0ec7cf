"""Honest traffic with arrivals and sizes of Azure's requests, stretched from an hour to days."""

from pathlib import Path

from msgspec.structs import replace

from schemas.fields import epoch
from schemas.usage_event import UsageEvent
from tests.benchmarks import azure
from tests.support.events import CLOUD, DAY, HOME, OPENAI_CLIENT

SAMPLE = Path(__file__).parents[1] / "data" / "azure-llm-2023-conv-sample.csv"


def honest(end: float, *, keys: int = 6, days: int = 7) -> list[UsageEvent]:
    """Requests of several keys from their usual addresses; the last one at `end` in Unix seconds.

    The most used key is `azure-0`.
    """
    events = list(azure.events(SAMPLE, keys=keys))
    first, last = epoch(events[0].occurred_at), epoch(events[-1].occurred_at)
    stretch = days * DAY / (last - first)
    places = (CLOUD, *HOME)
    return [
        replace(
            event,
            occurred_at=end - (last - epoch(event.occurred_at)) * stretch,
            client_ip=places[int(event.key_id[-1]) % len(places)],
            user_agent=OPENAI_CLIENT,
        )
        for event in events
    ]
