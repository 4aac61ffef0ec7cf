"""What a provider billed for a key, beside what the gateway saw of it."""

from msgspec import Struct

from detectors.baselines.totals import Totals

BILLS_MAX = 8
"""Windows of a bill remembered, so that a later record can replace an earlier one."""
LINES_MAX = 64
"""Lines (models) of a bill; further ones are left out."""
LEDGER_HOURS = 50
"""Hours of the gateway's own totals remembered for comparison."""


class Billed(Struct, array_like=True, gc=False):
    """One line of a bill."""

    requests: int
    tokens: int
    nanos: int


class Bill(Struct, array_like=True, gc=False):
    """What was billed in a window, by provider and model."""

    start: int
    """Unix seconds."""
    end: int
    lines: dict[str, Billed] = {}


class Gap(Struct, array_like=True, gc=False):
    """Use that was billed and that the gateway never saw."""

    start: int
    end: int
    observed: float
    """Unix seconds."""
    requests: int
    tokens: int
    nanos: int
    gateway_nanos: int
    gateway_tokens: int


class Books(Struct, array_like=True, gc=False):
    """Bills, the gateway's ledger, and the last gap between them."""

    ledger: dict[int, Totals] = {}
    """The gateway's totals by hour since 1970."""
    bills: dict[int, Bill] = {}
    """By start."""
    gap: Gap | None = None

    def enter(self, hour: int, totals: Totals) -> None:
        """Note a closed hour of the gateway."""
        entry = self.ledger.setdefault(hour, Totals())
        entry.add(totals)
        for old in [each for each in self.ledger if each <= hour - LEDGER_HOURS]:
            del self.ledger[old]

    def bill(self, start: int, end: int, line: str, billed: Billed) -> Bill:
        """Note a line of a bill; a later one for the same window and line replaces it."""
        bill = self.bills.get(start)
        if bill is None or bill.end != end:
            if len(self.bills) >= BILLS_MAX:
                del self.bills[min(self.bills)]
            bill = self.bills[start] = Bill(start, end)
        if line in bill.lines or len(bill.lines) < LINES_MAX:
            bill.lines[line] = billed
        return bill

    def reconcile(self, bill: Bill, open_hours: dict[int, Totals], observed: float) -> None:
        """Compare a bill with what the gateway saw in its window."""
        seen = Totals()
        first, last = bill.start // 3600, max(bill.start + 1, bill.end - 1) // 3600
        for books in (self.ledger, open_hours):
            for hour, totals in books.items():
                if first <= hour <= last:
                    seen.add(totals)
        lines = bill.lines.values()
        self.gap = Gap(
            start=bill.start,
            end=bill.end,
            observed=observed,
            requests=sum(line.requests for line in lines) - seen.requests,
            tokens=sum(line.tokens for line in lines) - seen.input_tokens - seen.output_tokens,
            nanos=sum(line.nanos for line in lines) - seen.nanos,
            gateway_nanos=seen.nanos,
            gateway_tokens=seen.input_tokens + seen.output_tokens,
        )
