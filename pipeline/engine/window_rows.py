"""The absolute totals of a key's windows, as rows: what is counted, and what is still pending."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Final

from detectors.baselines.slices import Place
from detectors.baselines.totals import Window
from pipeline.engine.bookkeeping import Rebuild
from pipeline.engine.state import KeyState, Touched
from schemas.fields import to_dollars, utc
from schemas.spend_window import SECONDS, Granularity, SpendWindow, windows_of

EPOCH_SHIFT: Final = 40
"""The bits of a version below those of its epoch."""
_Places = Callable[[str], Place | None]


def rows(
    key_id: str, state: KeyState, touched: Touched, place_of: _Places, rebuild: Rebuild
) -> Iterator[SpendWindow]:
    """A row for each window that was touched or has something pending."""
    pending = _pending_windows(state, place_of)
    epoch = rebuild.epoch << EPOCH_SHIFT
    for granularity, number in sorted(touched | pending.keys()):
        start = number * SECONDS[granularity]
        if start < rebuild.since:
            continue  # what came before it would be missing from the total
        total = _whole(state.windows.of(granularity, number), pending.get((granularity, number)))
        if total is not None:
            yield _row(key_id, granularity, start, total, epoch)


def _row(
    key_id: str, granularity: Granularity, start: int, total: Window, epoch: int
) -> SpendWindow:
    return SpendWindow(
        key_id=key_id,
        granularity=granularity,
        window_start=_time(start),
        spend_usd=to_dollars(total.nanos),
        requests=total.requests,
        errors=total.errors,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        distinct_sources=total.distinct_sources,
        unpriced_requests=total.unpriced,
        version=epoch + total.requests,
    )


@lru_cache(maxsize=4096)  # the windows of many keys begin at the same time
def _time(start: int) -> datetime:
    return utc(start)


def _whole(window: Window | None, pending: Window | None) -> Window | None:
    if window is None or pending is None:
        return window or pending
    whole = Window(sources=window.sources.copy())
    whole.add(window)
    whole.add(pending)
    for digest in pending.sources:  # mostly few: the other way round it would be a search for each
        whole.note_source(digest)
    return whole


def _pending_windows(state: KeyState, place_of: _Places) -> dict[tuple[Granularity, int], Window]:
    found: dict[tuple[Granularity, int], Window] = {}
    for minute, pending in state.pending.items():
        fresh = pending.totals()
        places = [place_of(token) for token in pending.slices]
        for number in windows_of(minute):
            window = found.setdefault(number, Window())
            window.add(fresh)
            for place in places:
                if place is not None:
                    window.note_source(place.digest)
    return found
