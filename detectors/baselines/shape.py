"""How long requests and their answers are, and how they are asked: what a key is used for shows."""

import math
from typing import Final

from msgspec import Struct, field

_MEMORY: Final = 2000.0
"""Samples that the shape of a key looks back."""
_SIGMA_MIN: Final = 0.3
"""Least standard deviation of a log length: no work is as uniform as a few samples look."""
_STREAMED: Final = 1
_TOLD_STREAMED: Final = 2
_CACHED: Final = 4
_NAMED: Final = 8
_TOLD: Final = 16
"""Bits of a manner; states of earlier releases have samples of no manner."""


def manner_of(*, streamed: bool | None, cached: bool, named: bool) -> int:
    """How a request is asked, as one number.

    Args:
        streamed: whether the answer comes in pieces; None where the gateway does not say.
        cached: whether the provider knew a part of the prompt.
        named: whether it names an end user.
    """
    manner = _TOLD
    if streamed is not None:
        manner |= _TOLD_STREAMED | (_STREAMED if streamed else 0)
    return manner | (_CACHED if cached else 0) | (_NAMED if named else 0)


class Manners(Struct, array_like=True, gc=False):
    """How many of some samples were asked in which way."""

    told: int = 0
    cached: int = 0
    named: int = 0
    told_streamed: int = 0
    """Those of which the gateway says whether …"""
    streamed: int = 0
    """… they were."""

    def note(self, manner: int) -> None:
        """Take in one request."""
        if not manner & _TOLD:
            return
        self.told += 1
        if manner & _CACHED:
            self.cached += 1
        if manner & _NAMED:
            self.named += 1
        if manner & _TOLD_STREAMED:
            self.told_streamed += 1
            if manner & _STREAMED:
                self.streamed += 1

    def learn(self, other: "Manners") -> None:
        """Take in those of an hour, and let the oldest fade."""
        told = self.told + other.told
        # Halved at once: of whole numbers, one or two in two thousand would be rounded away.
        kept = 0.5 if told > _MEMORY else 1.0
        self.told = round(kept * told)
        self.cached = round(kept * (self.cached + other.cached))
        self.named = round(kept * (self.named + other.named))
        self.told_streamed = round(kept * (self.told_streamed + other.told_streamed))
        self.streamed = round(kept * (self.streamed + other.streamed))


class Shape(Struct, array_like=True, gc=False):
    """Moments of the logarithms of input and output tokens, and manners, over single requests.

    Means of minutes would not do: they differ the less the more requests a minute has, and who
    asks seldom would look odd beside who asks often.
    """

    samples: float = 0.0
    prompt: float = 0.0
    """Sum of the logarithms of input tokens …"""
    prompt_squares: float = 0.0
    """… and of their squares …"""
    answer: float = 0.0
    """… and the same of output tokens."""
    answer_squares: float = 0.0
    manners: Manners = field(default_factory=Manners)
    """How they were asked."""

    def note(self, input_tokens: int, output_tokens: int, manner: int = 0) -> None:
        """Take in one request."""
        self.manners.note(manner)
        prompt, answer = math.log(1 + input_tokens), math.log(1 + output_tokens)
        self.samples += 1.0
        self.prompt += prompt
        self.prompt_squares += prompt * prompt
        self.answer += answer
        self.answer_squares += answer * answer

    def learn(self, other: "Shape") -> None:
        """Take in the samples of an hour, and let the oldest fade."""
        samples = self.samples + other.samples
        kept = _MEMORY / samples if samples > _MEMORY else 1.0
        self.samples = kept * samples
        self.prompt = kept * (self.prompt + other.prompt)
        self.prompt_squares = kept * (self.prompt_squares + other.prompt_squares)
        self.answer = kept * (self.answer + other.answer)
        self.answer_squares = kept * (self.answer_squares + other.answer_squares)
        self.manners.learn(other.manners)

    def offsets(self, other: "Shape") -> tuple[float, float]:
        """How far the means of another are from these, in standard deviations of one request.

        Both must have samples.
        """
        prompt, answer = other.prompt / other.samples, other.answer / other.samples
        return (
            _offset(prompt, self.samples, self.prompt, self.prompt_squares),
            _offset(answer, self.samples, self.answer, self.answer_squares),
        )

    @property
    def usual(self) -> tuple[float, float]:
        """Geometric means of input and output tokens; there must be samples."""
        return math.expm1(self.prompt / self.samples), math.expm1(self.answer / self.samples)


def _offset(value: float, samples: float, total: float, squares: float) -> float:
    mean = total / samples
    variance = squares / samples - mean * mean
    return (value - mean) / math.sqrt(max(_SIGMA_MIN**2, variance))
