"""The books of a key: what providers billed, beside what the gateway saw."""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from detectors.baselines.accounts import Accounts
from detectors.baselines.gaps import Gap, telling, unseen_nanos, usual_rate
from detectors.baselines.totals import Totals, add_up
from schemas.gateway_use import GatewayUse

BILLS_MAX = 8
"""Windows remembered of what a provider billed, so that a later record can replace an earlier …"""
ALL_BILLS_MAX = 24
"""… and of all providers together …"""
BILLS_SECONDS = 3 * 86400
"""… that ended so long before the newest: the gateway's records do not reach further back."""
SUMMED_SECONDS = 86400
"""Windows that began so long before the end of the newest are added up with it."""
LINES_MAX = 64
"""Lines (models) of a bill; further ones are left out."""
LEDGER_HOURS = 50
"""Hours of the gateway's own totals remembered for comparison."""
DAYS_MAX = 2
"""Days of them that are remembered of every key, for its first bill."""

_UNPRICED_SHARE_MAX: Final = 0.1
"""Share of the gateway's use without a price beyond which its money says nothing."""
_REQUEST_TOKENS: Final = 1000
"""What a request weighs in that share beside its tokens: images have none."""
_TOKEN_NANOS_MAX: Final = 300_000
_REQUEST_NANOS_MAX: Final = 5_000_000_000
"""The most that a token may cost where no price is known (three hundred dollars a million), and a
request beside its tokens (a film)."""
_LIST_PRICE: Final = 0.98
"""A provider that bills as much of a dollar gives no discount."""
_SPELL_SECONDS: Final = 86400.0
"""What went past the gateway is added up until none did for so long."""
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
    cached: int = 0
    """Of the tokens, those that the provider had cached."""
    observed: float = 0.0
    """Unix seconds."""


class Bill(Struct, array_like=True, gc=False):
    """What was billed in a window, by provider and model."""

    start: int
    """Unix seconds."""
    end: int
    lines: dict[str, Billed] = {}
    gap: Gap | None = None
    """As of its last line; None until it was compared."""
    provider: str = ""
    """Whose bill it is; empty: that of all those whom the gateway does not know by name."""


class Spell(Struct, array_like=True, gc=False):
    """A time in which the provider's key is used beside the gateway."""

    since: int
    last: float
    """When it was last seen, in Unix seconds of the key's clock."""
    settled: int = 0
    """Nano-dollars that went past in windows that are not remembered any more …"""
    reach: dict[str, int] = {}
    """… and by provider when the latest of them began: what is corrected before is in there."""

    def counts(self, bill: Bill) -> bool:
        """Whether what went past in a window is part of it, and not in `settled`."""
        return bill.start >= self.since and bill.start > self.reach.get(bill.provider, -1)

    def settle(self, bill: Bill) -> None:
        """Take in a window that is forgotten."""
        if bill.gap is None or not self.counts(bill):
            return
        self.settled += unseen_nanos(bill.gap)
        if bill.provider in self.reach or len(self.reach) < BILLS_MAX:
            self.reach[bill.provider] = bill.start


class Books(Struct, array_like=True, gc=False):
    """Bills, the gateway's ledger, and the last gap between them."""

    ledger: dict[int, Totals] = {}
    """The gateway's totals by hour since 1970."""
    bills: dict[int, Bill] = {}
    """Numbered as they came."""
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
    accounts: Accounts = field(default_factory=Accounts)
    """What of all that went through which provider."""
    rates: dict[str, float] = {}
    """What providers bill of a dollar, where they give a discount."""
    spell: Spell | None = None

    def enter(self, hour: int, totals: Totals) -> None:
        """Note a closed hour of the gateway."""
        self.since = self.since or hour
        entry = self.ledger.setdefault(hour, Totals())
        entry.add(totals)
        for old in [each for each in self.ledger if each <= hour - LEDGER_HOURS]:
            del self.ledger[old]
        self.accounts.forget_hours(hour - LEDGER_HOURS)

    def enter_day(self, day: int, totals: Totals) -> None:
        """Note a closed day of the gateway."""
        self.days.setdefault(day, Totals()).add(totals)
        if len(self.days) > DAYS_MAX:
            del self.days[min(self.days)]
        self.accounts.forget_days(min(self.days))

    def holds_hour(self, hour: int) -> bool:
        """Whether a closed hour of the gateway is remembered, or would be if it had seen any."""
        return bool(self.ledger) and hour >= max(self.since, max(self.ledger) - LEDGER_HOURS + 1)

    def holds_day(self, day: int) -> bool:
        """The same of a closed day."""
        return bool(self.days) and day >= min(self.days)

    def bill(self, provider: str, start: int, end: int, line: str, billed: Billed) -> Bill | None:
        """Note a line of a bill; None when a later one for the same window is known."""
        number, bill = next(
            (
                (number, each)
                for number, each in self.bills.items()
                if each.provider == provider and each.start == start
            ),
            (max(self.bills, default=-1) + 1, None),
        )
        if bill is not None:
            known = [line] if bill.end == end else list(bill.lines)
            seen = (each.observed for name in known if (each := bill.lines.get(name)))
            if billed.observed < max(seen, default=0.0):
                return None
        if bill is None or bill.end != end:
            self.bills.pop(number, None)
            self._make_room(provider, end)
            bill = self.bills[number] = Bill(start, end, provider=provider)
        if line in bill.lines or len(bill.lines) < LINES_MAX:
            bill.lines[line] = billed
        return bill

    def _make_room(self, provider: str, end: int) -> None:
        """Forget windows for one that ends then."""
        for number in [n for n, each in self.bills.items() if each.end < end - BILLS_SECONDS]:
            self._forget(number)
        own = [number for number, each in self.bills.items() if each.provider == provider]
        if len(own) >= BILLS_MAX or len(self.bills) >= ALL_BILLS_MAX:
            among = own if len(own) >= BILLS_MAX else list(self.bills)
            self._forget(min(among, key=lambda number: self.bills[number].start))

    def _forget(self, number: int) -> None:
        bill = self.bills.pop(number)
        if self.spell is not None:
            self.spell.settle(bill)

    def use(
        self,
        start: int,
        end: int,
        provider: str,
        first_seen: float,
        open_hours: Numbered,
        open_days: Numbered,
    ) -> GatewayUse:
        """What the gateway saw in a window: in whole hours, or in days if hours are missing."""
        begin = max(start, int(first_seen))
        whole_from = min([number for number, _ in open_hours], default=math.inf)
        if self.ledger:
            whole_from = min(whole_from, max(self.since, max(self.ledger) - LEDGER_HOURS + 1))
        complete = not first_seen or begin // _HOUR >= whole_from
        daily = not (complete or start % _DAY or end % _DAY)
        if daily:
            parts = [*self.days.items(), *open_days]
            first, last = start // _DAY, (end - 1) // _DAY
            complete = begin // _DAY >= min([number for number, _ in parts], default=math.inf)
        else:
            parts = [*self.ledger.items(), *open_hours]
            first, last = start // _HOUR, max(start + 1, end - 1) // _HOUR
        whole = add_up(totals for number, totals in parts if first <= number <= last)
        seen, unpriced_tokens = self.accounts.share(provider, whole, first, last, daily=daily)
        return GatewayUse(
            requests=seen.requests,
            tokens=seen.input_tokens + seen.output_tokens,
            nanos=seen.nanos,
            first_seen=first_seen,
            complete=complete,
            unpriced=seen.unpriced,
            unpriced_tokens=unpriced_tokens,
        )

    def reconcile(self, bill: Bill, use: GatewayUse, now: float) -> None:
        """Compare a bill with what the gateway saw in its window."""
        bill.gap = _gap(bill, use, now, self.rates.get(bill.provider, 1.0))
        self._note_rate(bill.provider, bill.gap)
        self.sum = replace(bill.gap)
        before = None
        for other in self.bills.values():
            if other is bill or other.gap is None or other.provider != bill.provider:
                continue
            if other.start >= bill.end - SUMMED_SECONDS:
                self.sum.add(other.gap)
            if other.end == bill.start:
                before = other.gap
        self.gap = bill.gap.less(before)
        self._note_spell(now)

    @property
    def telling(self) -> Gap | None:
        """What says most of the last bill and its day; None when they say nothing."""
        return None if self.gap is None else telling(self.gap, self.sum)

    @property
    def unseen_nanos(self) -> int:
        """What went past the gateway since it began to."""
        spell = self.spell
        if spell is None:
            return 0
        gaps = [each.gap for each in self.bills.values() if each.gap and spell.counts(each)]
        return spell.settled + sum(unseen_nanos(gap) for gap in gaps)

    def _note_rate(self, provider: str, gap: Gap) -> None:
        rate = usual_rate(gap)
        if rate is None:
            return
        self.rates.pop(provider, None)
        if rate < _LIST_PRICE and len(self.rates) < BILLS_MAX:
            self.rates[provider] = rate

    def _note_spell(self, now: float) -> None:
        found, spell = self.telling, self.spell
        if spell is not None and now - spell.last > _SPELL_SECONDS:
            spell = self.spell = None
        if found is None:
            return
        if spell is None:
            self.spell = Spell(found.start, now)
        else:
            spell.last = now


def _gap(bill: Bill, use: GatewayUse, now: float, rate: float) -> Gap:
    lines = bill.lines.values()
    unpriced = use.unpriced_tokens + _REQUEST_TOKENS * use.unpriced
    known = unpriced <= _UNPRICED_SHARE_MAX * (use.tokens + _REQUEST_TOKENS * use.requests)
    return Gap(
        start=bill.start,
        end=bill.end,
        observed=now,
        requests=sum(line.requests for line in lines) - use.requests,
        tokens=sum(line.tokens for line in lines) - use.tokens,
        nanos=sum(line.nanos for line in lines) - use.nanos,
        gateway_nanos=use.nanos,
        gateway_tokens=use.tokens,
        priced=known and all(line.priced for line in lines),
        known=known,
        cached=sum(line.cached for line in lines),
        unpriced_nanos=_TOKEN_NANOS_MAX * use.unpriced_tokens + _REQUEST_NANOS_MAX * use.unpriced,
        rate=rate,
    )
