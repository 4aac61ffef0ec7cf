"""The open windows of a key: what it is doing now."""

from msgspec import Struct, field

from detectors.baselines.shape import Shape
from detectors.baselines.sketch import distinct
from detectors.baselines.totals import Totals, Window, add_up


class MinuteWindow(Window, array_like=True, gc=False):
    """A minute, by slice."""

    slices: dict[str, Totals] = {}
    foreign: Totals = field(default_factory=Totals)
    """The part that came from newcomers."""


class HourWindow(Window, array_like=True, gc=False):
    """An hour, with its slices and its largest five minutes."""

    tokens: dict[str, int] = {}
    """Requests by slice."""
    peak: Totals = field(default_factory=Totals)
    clean: bool = True
    """Nothing was held against the key while it was open."""
    foreign: Totals = field(default_factory=Totals)
    """The part that came from newcomers."""
    users: list[int] = []
    """A sketch of the end users, by the hashes of their names."""
    longest: int = 0
    """Input tokens of the longest request, if longer than the key's record."""
    doubtful: bool = False
    """Not enough was held against the key for a page, but enough that strangers stay strangers."""
    shape: Shape = field(default_factory=Shape)
    """Of samples of the key's own requests."""

    @property
    def distinct_users(self) -> int:
        """How many different end users were named."""
        return distinct(self.users)

    def own_part(self) -> tuple[Totals, Totals]:
        """The hour without its newcomers, and its largest five minutes in the same proportion."""
        own = Totals(
            requests=max(0, self.requests - self.foreign.requests),
            nanos=max(0, self.nanos - self.foreign.nanos),
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

    def recent(self, minute: int, length: int) -> Totals:
        """The sum of the minutes that end with `minute`."""
        return add_up(self._last(minute, length))

    def recent_longs(self, minute: int, length: int) -> Totals:
        """What the far longer requests were in the minutes that end with `minute`."""
        first = minute - length
        return add_up([each for number, each in self.longs.items() if first < number <= minute])

    def recent_foreign(self, minute: int, length: int) -> Totals:
        """What newcomers did in the minutes that end with `minute`."""
        return add_up([window.foreign for window in self._last(minute, length)])

    def recent_tokens(self, minute: int, length: int) -> list[str]:
        """The slices of the minutes that end with `minute`, in the order in which they came."""
        slices: dict[str, Totals] = {}
        for window in self._last(minute, length):
            slices.update(window.slices)
        return list(slices)

    def recent_slices(self, minute: int, length: int) -> dict[str, Totals]:
        """The sums of the minutes that end with `minute`, by slice; nothing to be added to."""
        slices: dict[str, Totals] = {}
        for window in self._last(minute, length):
            for token, totals in window.slices.items():
                known = slices.get(token)
                slices[token] = totals if known is None else known.plus(totals)
        return slices

    def _last(self, minute: int, length: int) -> list[MinuteWindow]:
        minutes = self.minutes
        if length > len(minutes):
            first = minute - length
            return [each for number, each in minutes.items() if first < number <= minute]
        numbers = range(minute - length + 1, minute + 1)
        return [window for number in numbers if (window := minutes.get(number)) is not None]
