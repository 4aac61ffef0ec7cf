"""Through which providers a key's use goes, and what of it has no price.

Most keys have one provider, and its prices are known: of them nothing is kept but its name. Of
others each further provider has an account, and so has what of each has no price; the first
account, `home`, has what is in no other.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from detectors.baselines.totals import Totals, add_up

ACCOUNTS_MAX: Final = 8
"""Accounts of a key beside its first; what comes beyond is nobody's by name."""
_UNPRICED: Final = "?"
_DAY_HOURS: Final = 24


def account_of(provider: str, *, priced: bool) -> str:
    """The account of requests; `provider` is empty where the gateway names none."""
    return provider if priced else provider + _UNPRICED


def is_use(totals: Totals) -> bool:
    """Whether requests used anything: those that were refused name no provider, as a rule."""
    return bool(totals.nanos or totals.input_tokens or totals.output_tokens or totals.unpriced)


def _provider_of(account: str) -> str:
    return account.removesuffix(_UNPRICED)


class Account(Struct, array_like=True, gc=False):
    """Totals by hour and by day since 1970."""

    hours: dict[int, Totals] = {}
    days: dict[int, Totals] = {}


class Accounts(Struct, array_like=True, gc=False):
    """The accounts of a key."""

    home: str | None = None
    """The first one; None until something was used."""
    since: int = 0
    """The hour since 1970 from which on they are kept."""
    others: dict[str, Account] = {}

    def book(self, name: str, hour: int | None, day: int | None, totals: Totals) -> None:
        """Add what was used in an hour and a day; None: the key's totals of it are not kept."""
        if name == self.home or self.home is None or not is_use(totals):
            return
        if name not in self.others and len(self.others) >= ACCOUNTS_MAX:
            name = account_of("", priced=not name.endswith(_UNPRICED))
        account = self.others.setdefault(name, Account())
        if hour is not None:
            account.hours.setdefault(hour, Totals()).add(totals)
        if day is not None:
            account.days.setdefault(day, Totals()).add(totals)

    def forget_hours(self, last: int) -> None:
        """Forget hours up to one."""
        for account in self.others.values():
            for hour in [each for each in account.hours if each <= last]:
                del account.hours[hour]

    def forget_days(self, first: int) -> None:
        """Forget the days before one."""
        for account in self.others.values():
            for day in [each for each in account.days if each < first]:
                del account.days[day]

    def knows(self, provider: str) -> bool:
        """Whether the gateway calls a provider by this name."""
        return provider in self._providers()

    def share(
        self, provider: str, whole: Totals, first: int, last: int, *, daily: bool = False
    ) -> tuple[Totals, int]:
        """What of the key's totals went through a provider, and the tokens in it without a price.

        What nobody knows the provider of may be its, and all is where its name is not known.

        Args:
            provider: its name.
            whole: all that the gateway saw …
            first: … from this hour or day on …
            last: … up to this one.
            daily: whether they are days.
        """
        if self.home is None or first * (_DAY_HOURS if daily else 1) < self.since:
            tokens = whole.input_tokens + whole.output_tokens
            return whole, tokens * whole.unpriced // max(1, whole.requests)
        parts = {
            name: add_up(
                totals
                for number, totals in (account.days if daily else account.hours).items()
                if first <= number <= last
            )
            for name, account in self.others.items()
        }
        parts[self.home] = whole.less(add_up(parts.values()))
        if self.knows(provider):
            wanted = (provider, "")
            parts = {name: each for name, each in parts.items() if _provider_of(name) in wanted}
        unpriced = add_up(each for name, each in parts.items() if name.endswith(_UNPRICED))
        return add_up(parts.values()), unpriced.input_tokens + unpriced.output_tokens

    def _providers(self) -> Iterator[str]:
        if self.home is not None:
            yield _provider_of(self.home)
        for name in self.others:
            yield _provider_of(name)
