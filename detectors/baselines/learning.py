"""Taking in a closed hour in which nothing was held against a key."""

import math
from collections.abc import Iterable, Sequence

from detectors.baselines.history import History
from detectors.baselines.level import GROWTH, LEVEL_DECAY, raised
from detectors.baselines.newcomers import country_of, find, network_of
from detectors.baselines.slices import REFUSED, Place, Slice
from detectors.baselines.totals import Totals
from detectors.baselines.windows import HourWindow
from schemas.key_record import KeyRecord


def learn(
    history: History,
    hour: int,
    record: KeyRecord | None,
    seen: Sequence[tuple[Slice, Place | None]],
    total: HourWindow,
) -> None:
    """Learn what the key does.

    What newcomers did is no measure of what is usual for it, until they are its own. Of a
    doubtful hour only the volume is learnt, and that slowly.
    """
    own, peak = (total, total.peak) if history.learning else total.own_part()
    if not total.doubtful:
        _learn_kinds(history, hour, seen, total.distinct_users)
        _learn_levels(history, total, own)
        history.shape.learn(total.shape)
    if hour // 24 > history.volume.last // 24:  # once a day
        for facet in history.facets:
            facet.forget(hour)
    history.volume.learn(hour, record, own, peak, doubtful=total.doubtful)
    history.hours += 1.0


def _learn_kinds(
    history: History, hour: int, seen: Sequence[tuple[Slice, Place | None]], users: int
) -> None:
    places = {
        place.digest: place
        for what, place in seen
        if place is not None and what.outcome not in REFUSED
    }
    strange = _learn_places(history, places.values(), hour)
    honest = [
        what
        for what, place in seen
        if what.outcome not in REFUSED and (place is None or place.digest not in strange)
    ]
    if honest:
        history.clients.learn({what.client for what in honest if what.client}, hour)
        history.models.learn({what.model for what in honest if what.model}, hour)
    if any(what.exposed for what in honest):
        history.exposed_hours += 1.0
    # That strangers name end users is no habit of the key's.
    if users and (history.end_users.spread.n or any(what.named for what in honest)):
        history.end_users.learn(users)


def _learn_levels(history: History, total: HourWindow, own: Totals) -> None:
    # One long document of the owner's is nobody's bulk; that of a stranger may begin one.
    growth = GROWTH if total.foreign.requests and not history.learning else math.inf
    history.longest = raised(history.longest, LEVEL_DECAY, total.longest, growth)
    if not total.requests:
        return
    if history.slept:
        history.longest_sleep = max(history.longest_sleep * 0.98, history.slept)
        history.slept = 0.0
    if total.sources:
        history.crowd.learn(total.distinct_sources)
    if not own.requests:
        return
    if own.input_tokens:
        history.prompt.learn(own.input_tokens / own.requests)
    if own.nanos:
        history.price.learn(own.nanos / own.requests)
    rate = 1.0 / min(history.hours + 1.0, 100.0)
    history.failing += rate * (own.errors / own.requests - history.failing)


def _learn_places(history: History, places: Iterable[Place], hour: int) -> set[int]:
    """Learn the key's own places; the digests of those that are not its own yet."""
    strange = _strange(history, places, hour) if history.newcomers else set()
    own = [place for place in places if place.digest not in strange]
    if not own:
        return strange
    history.prefixes.learn({place.prefix for place in own}, hour)
    history.networks.learn({network_of(place) for place in own}, hour)
    # Clouds have no place of their own, but lists of their addresses have gaps: what is not
    # listed passes for a line in the country of the others.
    history.countries.learn({place.country for place in own if place.country}, hour)
    history.kinds.learn({place.kind or "isp" for place in own}, hour)
    if history.newcomers:
        for place in own:
            for label in (country_of(place), network_of(place), place.prefix):
                history.newcomers.pop(label, None)
    return strange


def _strange(history: History, places: Iterable[Place], hour: int) -> set[int]:
    """The digests of newcomers that are not the key's own yet, and have been here once more."""
    strange: set[int] = set()
    for place in places:
        newcomer = find(history.newcomers, place)
        if newcomer is None or (history.learning and not newcomer.forbidden):
            continue
        if not newcomer.learn(hour):
            strange.add(place.digest)
    return strange
