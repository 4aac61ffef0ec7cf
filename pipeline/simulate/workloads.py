"""Typical uses of a key: what kind of application asks, with which models and token counts."""

import numpy as np

from pipeline.simulate.arrivals import Rng
from pipeline.simulate.choice import log_uniform, pick
from pipeline.simulate.workload import Workload

_MAIN = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5-mini",
    "claude-sonnet-4-20250514",
    "claude-haiku-4-5",
    "gemini-2.5-flash",
    "mistral-small-latest",
)
_SMALL = ("gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano", "gemini-2.0-flash", "gpt-4.1-nano")
_LARGE = ("gpt-4o", "gpt-4.1", "gpt-5", "claude-sonnet-4-20250514", "o3")


def _failures(rng: Rng) -> dict[int, float]:
    """Error shares that differ from key to key by a factor of ten or more."""
    return {
        429: log_uniform(rng, 0.0003, 0.02),
        500: log_uniform(rng, 0.0003, 0.004),
        503: log_uniform(rng, 0.0003, 0.006),
        400: log_uniform(rng, 0.0003, 0.02),
    }


def _mix(
    rng: Rng, models: tuple[str, ...], count: int
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    chosen = rng.permutation(np.array(models))[:count]
    return tuple(str(m) for m in chosen), tuple(0.35**i for i in range(len(chosen)))


def conversation(rng: Rng) -> Workload:
    """Chat: the context grows, answers stream."""
    models, shares = _mix(rng, _MAIN, int(rng.integers(1, 3)))
    return Workload(
        models,
        shares,
        input_median=log_uniform(rng, 400, 2500),
        output_median=log_uniform(rng, 120, 450),
        context_growth=0.3,
        cached_share=float(rng.uniform(0, 0.6)),
        stream_share=0.9,
        failures=_failures(rng),
    )


def retrieval(rng: Rng) -> Workload:
    """Documents in, short answers out."""
    models, shares = _mix(rng, _MAIN, int(rng.integers(1, 3)))
    return Workload(
        models,
        shares,
        input_median=log_uniform(rng, 2000, 9000),
        input_sigma=0.6,
        output_median=log_uniform(rng, 100, 400),
        cached_share=float(rng.uniform(0, 0.3)),
        stream_share=0.3,
        failures=_failures(rng),
    )


def classification(rng: Rng) -> Workload:
    """Short inputs, tiny answers, small models."""
    models, shares = _mix(rng, _SMALL, 1)
    return Workload(
        models,
        shares,
        input_median=log_uniform(rng, 150, 900),
        input_sigma=0.5,
        output_median=log_uniform(rng, 8, 60),
        output_sigma=0.5,
        failures=_failures(rng),
    )


def drafting(rng: Rng) -> Workload:
    """People who write: medium inputs, long answers, several models."""
    models, shares = _mix(rng, _MAIN, int(rng.integers(2, 5)))
    return Workload(
        models,
        shares,
        input_median=log_uniform(rng, 500, 2500),
        input_sigma=1.0,
        output_median=log_uniform(rng, 250, 800),
        context_growth=0.2,
        stream_share=0.7,
        failures=_failures(rng),
    )


def agentic(rng: Rng) -> Workload:
    """Agents: long, growing, mostly cached context."""
    models, shares = _mix(rng, _LARGE, int(rng.integers(1, 3)))
    return Workload(
        models,
        shares,
        input_median=log_uniform(rng, 2500, 9000),
        input_sigma=0.7,
        output_median=log_uniform(rng, 150, 500),
        context_growth=0.12,
        cached_share=float(rng.uniform(0.5, 0.9)),
        stream_share=0.8,
        failures=_failures(rng),
    )


def embeddings(rng: Rng) -> Workload:
    """Vectors: input only, almost free."""
    return Workload(
        (pick(rng, ("text-embedding-3-small", "text-embedding-3-large")),),
        (1.0,),
        operation="embeddings",
        input_median=log_uniform(rng, 200, 2000),
        failures=_failures(rng),
    )
