"""Which limits of its state a key stands at: what is beyond is counted together or forgotten.

Asked when windows close, so that an ordinary event pays nothing for it.
"""

from typing import Literal

from detectors.baselines.billing import LINES_MAX
from detectors.baselines.facets import VALUES_MAX
from detectors.baselines.newcomers import NEWCOMERS_MAX
from detectors.baselines.totals import SOURCES_MAX
from pipeline.engine.calm import REVISIONS_MAX
from pipeline.engine.counting import IDS_MAX, NUMBERED_MAX, SLICES_MAX
from pipeline.engine.state import KeyState

Limit = Literal[
    "bill_lines", "event_ids", "facet_values", "newcomers", "revisions", "slices", "sources"
]


def limits_met(state: KeyState) -> list[Limit]:
    """Those that a key has reached."""
    met: list[Limit] = []
    history = state.history
    if state.ids_known >= IDS_MAX:
        met.append("event_ids")
    hour = state.windows.hours.get(state.minute // 60)
    crowded = hour is not None and len(hour.slices) >= SLICES_MAX
    if crowded or len(state.windows.tokens) >= NUMBERED_MAX:
        met.append("slices")
    if hour is not None and len(hour.sources) >= SOURCES_MAX:
        met.append("sources")
    if len(history.newcomers) >= NEWCOMERS_MAX:
        met.append("newcomers")
    if max([len(facet.values) for facet in history.facets]) >= VALUES_MAX:
        met.append("facet_values")
    if any(len(bill.lines) >= LINES_MAX for bill in history.books.bills.values()):
        met.append("bill_lines")
    if state.incident is not None and state.incident.revision >= REVISIONS_MAX:
        met.append("revisions")
    return met
