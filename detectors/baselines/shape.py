"""How long requests and their answers are, on a log scale: what a key is used for shows in it."""

import math
from typing import Final

from msgspec import Struct

_MEMORY: Final = 2000.0
"""Samples that the shape of a key looks back."""
_SIGMA_MIN: Final = 0.3
"""Least standard deviation of a log length: no work is as uniform as a few samples look."""


class Shape(Struct, array_like=True, gc=False):
    """Moments of the logarithms of input and output tokens, over single requests.

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

    def note(self, input_tokens: int, output_tokens: int) -> None:
        """Take in one request."""
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
