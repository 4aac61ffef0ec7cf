"""What a provider billed for a key, beside what the gateway saw of it."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from detectors.baselines.totals import Totals
from schemas.gateway_use import GatewayUse

BILLS_MAX = 8
"""Windows of a bill remembered, so that a later record can replace an earlier one."""
SUMMED_SECONDS = 86400
"""Windows that began so long before the end of the newest are added up with it."""
LINES_MAX = 64
"""Lines (models) of a bill; further ones are left out."""
LEDGER_HOURS = 50
"""Hours of the gateway's own totals remembered for comparison."""
DAYS_MAX = 2
"""Days of them that are remembered of every key, for its first bill."""
UNPRICED_SHARE_MAX = 0.1
"""Share of the gateway's requests without a price beyond which its money says nothing."""

_HOUR: Final = 3600
_DAY: Final = 86400

Numbered = Sequence[tuple[int, Totals]]
"""Totals of hours or of days, by their number since 1970."""


class Billed(Struct, array_like=True, gc=False):
    """One line of a bill."""

    requests: int
    tokens: int
    nanos: int
    priced: bool = True
    """Whether the bill says what it cost."""


class Gap(Struct, array_like=True, gc=False):
    """Use that was billed and that the gateway never saw, in a window or in several."""

    start: int
    end: int
    observed: float
    """Unix seconds."""
    requests: int
    tokens: int
    nanos: int
    gateway_nanos: int
    gateway_tokens: int
    priced: bool = True
    """Whether both sides know the money; else only tokens can be compared."""
    windows: int = 1

    def add(self, other: "Gap") -> None:
        """Take in the gap of another window."""
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)
        self.observed = max(self.observed, other.observed)
        self.requests += other.requests
        self.tokens += other.tokens
        self.nanos += other.nanos
        self.gateway_nanos += other.gateway_nanos
        self.gateway_tokens += other.gateway_tokens
        self.priced = self.priced and other.priced
        self.windows += other.windows


class Bill(Struct, array_like=True, gc=False):
    """What was billed in a window, by provider and model."""

    start: int
    """Unix seconds."""
    end: int
    lines: dict[str, Billed] = {}
    gap: Gap | None = None
    """As of its last line; None until it was compared."""


class Books(Struct, array_like=True, gc=False):
    """Bills, the gateway's ledger, and the last gap between them."""

    ledger: dict[int, Totals] = {}
    """The gateway's totals by hour since 1970."""
    bills: dict[int, Bill] = {}
    """By start."""
    gap: Gap | None = None
    """Of the bill that came last."""
    since: int = 0
    """The hour from which on the ledger is whole; 0 until it holds something."""
    sum: Gap | None = None
    """Of a day's bills: what is too little in each of them adds up, and what is billed an hour late
    cancels out."""
    days: dict[int, Totals] = {}
    """The gateway's totals of the last closed UTC days in which it saw the key, by day since 1970:
    a key that has had no bill has no ledger."""

    def enter(self, hour: int, totals: Totals) -> None:
        """Note a closed hour of the gateway."""
        self.since = self.since or hour
        entry = self.ledger.setdefault(hour, Totals())
        entry.add(totals)
        for old in [each for each in self.ledger if each <= hour - LEDGER_HOURS]:
            del self.ledger[old]

    def enter_day(self, day: int, totals: Totals) -> None:
        """Note a closed day of the gateway."""
        self.days.setdefault(day, Totals()).add(totals)
        if len(self.days) > DAYS_MAX:
            del self.days[min(self.days)]

    def bill(self, start: int, end: int, line: str, billed: Billed) -> Bill:
        """Note a line of a bill; a later one for the same window and line replaces it."""
        bill = self.bills.get(start)
        if bill is None or bill.end != end:
            if bill is None and len(self.bills) >= BILLS_MAX:
                del self.bills[min(self.bills)]
            bill = self.bills[start] = Bill(start, end)
        if line in bill.lines or len(bill.lines) < LINES_MAX:
            bill.lines[line] = billed
        return bill

    def use(
        self, start: int, end: int, first_seen: float, open_hours: Numbered, open_days: Numbered
    ) -> GatewayUse:
        """What the gateway saw in a window: in whole hours, or in days if hours are missing."""
        begin = max(start, int(first_seen))
        hours, days = (*self.ledger.items(), *open_hours), (*self.days.items(), *open_days)
        whole_from = min([number for number, _ in open_hours], default=math.inf)
        if self.ledger:
            whole_from = min(whole_from, max(self.since, max(self.ledger) - LEDGER_HOURS + 1))
        complete = not first_seen or begin // _HOUR >= whole_from
        if complete or start % _DAY or end % _DAY:
            use = _add_up(hours, start // _HOUR, max(start + 1, end - 1) // _HOUR)
        else:
            complete = begin // _DAY >= min([number for number, _ in days], default=math.inf)
            use = _add_up(days, start // _DAY, (end - 1) // _DAY)
        use.first_seen, use.complete = first_seen, complete
        return use

    def reconcile(self, bill: Bill, use: GatewayUse, observed: float) -> None:
        """Compare a bill with what the gateway saw in its window."""
        lines = bill.lines.values()
        self.gap = bill.gap = Gap(
            start=bill.start,
            end=bill.end,
            observed=observed,
            requests=sum(line.requests for line in lines) - use.requests,
            tokens=sum(line.tokens for line in lines) - use.tokens,
            nanos=sum(line.nanos for line in lines) - use.nanos,
            gateway_nanos=use.nanos,
            gateway_tokens=use.tokens,
            priced=all(line.priced for line in lines)
            and use.unpriced <= UNPRICED_SHARE_MAX * use.requests,
        )
        self.sum = msgspec.structs.replace(bill.gap)
        for other in self.bills.values():
            if other is not bill and other.gap and other.start >= bill.end - SUMMED_SECONDS:
                self.sum.add(other.gap)
        self._settle_late(bill)

    def _settle_late(self, bill: Bill) -> None:
        """See a window together with the one before, if that was billed too little.

        A request that began in one and ended in the other is billed where it ended.
        """
        before = next((each.gap for each in self.bills.values() if each.end == bill.start), None)
        if bill.gap is None or before is None or before.tokens >= 0:
            return
        self.gap = msgspec.structs.replace(bill.gap)
        self.gap.add(before)


def _add_up(parts: Numbered, first: int, last: int) -> GatewayUse:
    use = GatewayUse()
    for number, totals in parts:
        if first <= number <= last:
            use.requests += totals.requests
            use.tokens += totals.input_tokens + totals.output_tokens
            use.nanos += totals.nanos
            use.unpriced += totals.unpriced
    return use
