"""Numbers and names as people say them, for the sentences of findings."""

import re

from detectors.baselines.totals import Totals

NAME_LENGTH_MAX = 80
_RANGE = re.compile(r"\d+\.\d+|[0-9a-f]+:[0-9a-f]*")


def counted(number: int, noun: str) -> str:
    """A number of things: `1 request`, `2 addresses`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def quoted(name: str) -> str:
    """A name that others chose, so that no reader takes what stands in it for our own words."""
    shown = name if len(name) <= NAME_LENGTH_MAX else f"{name[: NAME_LENGTH_MAX - 1]}…"
    return '"{}"'.format(shown.replace('"', "'"))


def network(label: str) -> str:
    """A network by its label; one that is known by its range alone, as a range."""
    if _RANGE.fullmatch(label) is None:
        return label
    return f"{label.rstrip(':')}::/32" if ":" in label else f"{label}.0.0/16"


def times(value: float, usual: float, what: str) -> str:
    """A ratio in words: `12 times the usual`, `what` being the name of the usual value."""
    if usual <= 0:
        return "where nothing is usual"
    ratio = value / usual
    return f"{ratio:.0f} times {what}" if ratio >= 10 else f"{ratio:.1f} times {what}"


def span(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    if seconds < 172_800:
        return f"{round(seconds / 3600)} hours"
    return f"{round(seconds / 86400)} days"


def dollars(nanos: float) -> str:
    """Nano-dollars in words."""
    return money(nanos / 1e9)


def paid(totals: Totals) -> str:
    """What some requests cost, in words; what has no price is not free."""
    if not totals.unpriced:
        return dollars(totals.nanos)
    if totals.unpriced >= totals.requests:
        return "of unknown price"
    return f"{dollars(totals.nanos)}, and {totals.unpriced:,} of unknown price"


def mean(requests: float, nanos: float) -> str:
    """Requests on average, and what they cost; of those that have no price nothing is said."""
    if requests < 0.05:
        number = "hardly any"
    else:
        number = f"{requests:,.0f}" if requests >= 10 else f"{requests:.1f}".removesuffix(".0")
    return f"{number} ({dollars(nanos)})" if nanos else number


def spent(usd: float, unseen_usd: float | None) -> str:
    """What was spent as the gateway saw it, and what was billed besides, if anything was."""
    return f"{cents(usd)} and {cents(unseen_usd)} past the gateway" if unseen_usd else cents(usd)


def money(usd: float) -> str:
    """US dollars where small amounts matter, too."""
    if usd >= 0.01 or usd == 0:
        return cents(usd)
    return f"${usd:.4f}" if usd >= 0.00005 else "less than $0.0001"


def cents(usd: float) -> str:
    """US dollars to the cent, for sums and tables."""
    return f"${usd:,.2f}"
