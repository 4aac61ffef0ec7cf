"""The open windows of a key: what it is doing now."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from detectors.baselines.shape import Shape
from detectors.baselines.sketch import distinct
from detectors.baselines.totals import Totals, Window, add_up
from schemas.spend_window import Granularity

SLICES_MINUTES: Final = 16
"""Minutes, the current one included, of which the slices stay in the state."""
MINUTES_KEPT: Final = 30
"""Minutes of which the totals stay in the state; late events still find them."""
HOURS_REMEMBERED: Final = 24
_SMALL_TALK: Final = 16, 8
"""Input and output tokens of a check of a service's health, at most: a word, and a word back."""


def is_small_talk(input_tokens: int, output_tokens: int, requests: int = 1) -> bool:
    """Whether requests did no work: monitors ask now and then whether a service is alive.

    What has no answer, or none that the gateway counts, is another thing.
    """
    asked, said = _SMALL_TALK
    return input_tokens <= asked * requests and 0 < output_tokens <= said * requests


class MinuteWindow(Window, array_like=True, gc=False):
    """A minute, by slice."""

    slices: dict[int, Totals] = {}
    """By number: see `Windows.tokens`."""
    foreign: Totals | None = None
    """The part that came from strange newcomers (`Newcomer.is_strange`), if any did."""

    def requests_of(self, *, foreign: bool) -> int:
        """All requests, or those of strange newcomers."""
        if not foreign:
            return self.requests
        return 0 if self.foreign is None else self.foreign.requests


class HourWindow(Window, array_like=True, gc=False):
    """An hour, with its slices and its largest five minutes."""

    slices: dict[int, int] = {}
    """Requests, by the numbers of their slices."""
    peak: Totals = field(default_factory=Totals)
    clean: bool = True
    """Nothing was held against the key while it was open."""
    foreign: Totals = field(default_factory=Totals)
    """The part that came from strange newcomers (`Newcomer.is_strange`)."""
    users: list[int] = []
    """A sketch of the end users, by the hashes of their names."""
    longest: int = 0
    """Input tokens of the longest request, if longer than the key's record."""
    doubtful: bool = False
    """Not enough was held against the key for a page, but enough that strangers stay strangers."""
    shape: Shape = field(default_factory=Shape)
    """Of samples of the key's own requests."""
    dearest: int = 0
    """Nano-dollars of the dearest request."""

    @property
    def distinct_users(self) -> int:
        """How many different end users were named."""
        return distinct(self.users)

    def requests_of(self, *, foreign: bool) -> int:
        """All requests, or those of strange newcomers."""
        return self.foreign.requests if foreign else self.requests

    @property
    def is_small_talk(self) -> bool:
        """Whether nothing was asked but if the service is alive."""
        return is_small_talk(self.input_tokens, self.output_tokens, self.requests)

    def own_part(self) -> tuple[Totals, Totals]:
        """The hour without its strangers, and its largest five minutes in the same proportion."""
        own = Totals(
            requests=max(0, self.requests - self.foreign.requests),
            errors=max(0, self.errors - self.foreign.errors),
            nanos=max(0, self.nanos - self.foreign.nanos),
            input_tokens=max(0, self.input_tokens - self.foreign.input_tokens),
        )
        return own, Totals(
            requests=self.peak.requests * own.requests // max(1, self.requests),
            nanos=self.peak.nanos * own.nanos // max(1, self.nanos),
        )


class Windows(Struct, array_like=True, gc=False):
    """Windows by their number: minutes, hours and days since 1970."""

    minutes: dict[int, MinuteWindow] = {}
    hours: dict[int, HourWindow] = {}
    days: dict[int, Window] = {}
    longs: dict[int, Totals] = {}
    """By minute: the requests that were far longer than the key's record."""
    tokens: dict[str, int] = {}
    """The slices of minutes, hours and what is pending, numbered in this order from 0, so that
    their texts are not repeated for each minute."""
    conversation: int = 0
    """Input tokens of the longest request so far of a conversation that goes on, if it is longer
    than the key's record."""
    closed: tuple[int, ...] = (0, 0)
    """The last hour that closed, its spend in nano-dollars, and that of the hours before it."""

    def of(self, granularity: Granularity, number: int) -> Window | None:
        """The window of a granularity that has this number, if it is open."""
        if granularity == "1m":
            return self.minutes.get(number)
        if granularity == "1h":
            return self.hours.get(number)
        return self.days.get(number)

    def open(self, minute: int) -> tuple[MinuteWindow, Window]:
        """The windows of a minute and of its day."""
        window = self.minutes.get(minute)
        if window is None:
            window = self.minutes[minute] = MinuteWindow()
        day = self.days.get(minute // 1440)
        if day is None:
            day = self.days[minute // 1440] = Window()
        return window, day

    def named(self, numbers: Iterable[int]) -> list[str]:
        """The slices that have these numbers."""
        tokens = list(self.tokens)
        return [tokens[number] for number in numbers]

    def close_hour(self, hour: int) -> HourWindow:
        """Take an hour out, after all before it; what it cost is remembered for a day."""
        window, (last, *spends) = self.hours.pop(hour), self.closed
        idle = [0] * min(HOURS_REMEMBERED, hour - last - 1)
        self.closed = (hour, *[window.nanos, *idle, *spends][:HOURS_REMEMBERED])
        return window

    def spend_of(self, hour: int) -> int:
        """Nano-dollars of an hour that is open or remembered; 0 of another."""
        window = self.hours.get(hour)
        if window is not None:
            return window.nanos
        last, *spends = self.closed
        return spends[last - hour] if 0 <= last - hour < len(spends) else 0

    @property
    def first_hour(self) -> int:
        """The first hour whose spend is known."""
        return min([self.closed[0] - len(self.closed) + 2, *self.hours])

    def first_active(self, since: float, minute: int, *, foreign: bool = False) -> float:
        """Unix seconds of the first request from a time on, as well as the windows can tell.

        Args:
            since: Unix seconds; itself the answer where nothing more is known.
            minute: the current one.
            foreign: only what came from strange newcomers counts.
        """
        kept = minute - MINUTES_KEPT + 1
        active = {
            number: each.requests_of(foreign=foreign) for number, each in self.minutes.items()
        }
        if int(since // 60) < kept:
            for hour in range(int(since // 3600), kept // 60 + 1):
                window = self.hours.get(hour)
                own = [n for number, n in active.items() if number >= kept and number // 60 == hour]
                if window is None or window.requests_of(foreign=foreign) > sum(own):
                    return max(since, 3600.0 * hour)
        first = max(kept, int(since // 60))
        known = [number for number, requests in active.items() if requests and number >= first]
        return max(since, 60.0 * min(known, default=minute))

    def first_with(self, tokens: Iterable[str], since: float, minute: int) -> float:
        """The same of some slices, of which a quarter of an hour is known."""
        if int(since // 60) < minute - SLICES_MINUTES + 1:
            return since
        numbers = {self.tokens[token] for token in tokens}
        known = [number for number, each in self.minutes.items() if numbers & each.slices.keys()]
        known = [number for number in known if number >= int(since // 60)]
        return max(since, 60.0 * min(known, default=0))

    def spend_before_kept(self, hour: int, minute: int) -> int:
        """Nano-dollars of an hour before the minutes that are kept at another."""
        kept = range(max(60 * hour, minute - MINUTES_KEPT + 1), 60 * hour + 60)
        known = [each for number, each in self.minutes.items() if number in kept]
        return max(0, self.spend_of(hour) - add_up(known).nanos)

    def renumber(self) -> None:
        """Forget slices that no window holds; nothing may be pending."""
        minutes, hours = self.minutes.values(), self.hours.values()
        held = set[int]().union(
            *[each.slices for each in minutes], *[each.slices for each in hours]
        )
        if len(held) == len(self.tokens):
            return
        tokens = self.named(sorted(held))
        self.tokens = {token: number for number, token in enumerate(tokens)}
        new = {old: number for number, old in enumerate(sorted(held))}
        for minute in minutes:
            minute.slices = {new[old]: totals for old, totals in minute.slices.items()}
        for hour in hours:
            hour.slices = {new[old]: requests for old, requests in hour.slices.items()}

    def recent(self, minute: int, length: int) -> Totals:
        """The sum of the minutes that end with `minute`."""
        return add_up(self._last(minute, length))

    def recent_longs(self, minute: int, length: int) -> Totals:
        """What the far longer requests were in the minutes that end with `minute`."""
        first = minute - length
        return add_up([each for number, each in self.longs.items() if first < number <= minute])

    def recent_foreign(self, minute: int, length: int) -> Totals:
        """What strange newcomers did in the minutes that end with `minute`."""
        found = [window.foreign for window in self._last(minute, length)]
        return add_up([each for each in found if each is not None])

    def recent_tokens(self, minute: int, length: int) -> list[str]:
        """The slices of the minutes that end with `minute`, in the order in which they came."""
        slices: dict[int, Totals] = {}
        for window in self._last(minute, length):
            slices.update(window.slices)
        return self.named(slices)

    def recent_slices(self, minute: int, length: int) -> dict[str, Totals]:
        """The sums of the minutes that end with `minute`, by slice; nothing to be added to."""
        slices: dict[int, Totals] = {}
        for window in self._last(minute, length):
            for number, totals in window.slices.items():
                known = slices.get(number)
                slices[number] = totals if known is None else known.plus(totals)
        return dict(zip(self.named(slices), slices.values(), strict=True))

    def _last(self, minute: int, length: int) -> list[MinuteWindow]:
        minutes = self.minutes
        if length > len(minutes):
            first = minute - length
            return [each for number, each in minutes.items() if first < number <= minute]
        numbers = range(minute - length + 1, minute + 1)
        return [window for number in numbers if (window := minutes.get(number)) is not None]
