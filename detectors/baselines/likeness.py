"""Does somebody do the work of a key's owner? Log-likelihood ratios of a stranger against kin."""

import math
from functools import lru_cache
from typing import Final, NamedTuple

from detectors.baselines.shape import Manners, Shape

_OWN_MIN: Final = 60.0
"""Samples of the key's own requests that must be known."""
_KIN: Final = 0.3**2
"""Variance of another honest user's mean length, in that of the key's own single requests …"""
_STRANGER: Final = 1.5**2
"""… and of the mean of somebody with work of their own."""
_FAITHFUL: Final = 20.0
"""As if so many requests of anybody who does the owner's work were known beforehand."""
_STRANGER_ALIKE: Final = 0.6
"""Share of strangers who ask in the owner's manner by chance …"""
_KIN_OTHERWISE: Final = 0.05
"""… and of honest newcomers who do not …"""
_UNCACHED: Final = 0.1
"""… and of those whose prompts are cached otherwise: whoever asks seldom finds nothing there."""


class Manner(NamedTuple):
    """How many of somebody's requests are asked in a way, and what that says."""

    name: str
    nats: float
    """For a stranger; 0 while little is known."""
    requests: int
    told: int
    """Of so many."""
    usual: float
    """Share of the key's own requests."""


def of_lengths(own: Shape, other: Shape) -> float:
    """By the means of the logarithms of lengths, all normal. Nats; 0 while little is known."""
    if own.samples < _OWN_MIN or not other.samples:
        return 0.0
    kin, stranger = _KIN + 1.0 / other.samples, _STRANGER + 1.0 / other.samples
    prompt, answer = own.offsets(other)
    squares = prompt * prompt + answer * answer
    return math.log(kin / stranger) + 0.5 * squares * (1.0 / kin - 1.0 / stranger)


def manners(own: Manners, other: Manners) -> list[Manner]:
    """By how requests are asked: streamed, with a cached prompt, in an end user's name."""
    return [
        _manner(
            "are streamed",
            (own.streamed, own.told_streamed),
            (other.streamed, other.told_streamed),
        ),
        _manner(
            "have cached prompts", (own.cached, own.told), (other.cached, other.told), _UNCACHED
        ),
        _manner("name end users", (own.named, own.told), (other.named, other.told)),
    ]


def _manner(
    name: str, of_own: tuple[int, int], of_other: tuple[int, int], otherwise: float = _KIN_OTHERWISE
) -> Manner:
    (own, own_told), (other, other_told) = of_own, of_other
    if own_told < _OWN_MIN or not other_told:
        return Manner(name, 0.0, other, other_told, 0.0)
    nats = _of_shares(own, own_told, other, other_told, otherwise)
    return Manner(name, nats, other, other_told, own / own_told)


@lru_cache(maxsize=65536)  # a key is looked at more often than its samples change
def _of_shares(own: int, own_told: int, other: int, other_told: int, otherwise: float) -> float:
    share = (own + 0.5) / (own_told + 1.0)
    yes, no = _FAITHFUL * share, _FAITHFUL * (1.0 - share)
    rest = other_told - other
    # Beta-binomial likelihoods: as the owner asks, beside any share being equally likely.
    alike = math.exp(
        _log_beta(other + yes, rest + no) - _log_beta(yes, no) - _log_beta(other + 1.0, rest + 1.0)
    )
    stranger = _STRANGER_ALIKE * alike + 1.0 - _STRANGER_ALIKE
    return math.log(stranger / ((1.0 - otherwise) * alike + otherwise))


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)
