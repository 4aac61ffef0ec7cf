"""What is asked: models with their prices and speeds, token counts, errors."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.simulate.arrivals import Arrivals, Floats, Ints, Rng

Strings = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its provider sells it."""

    name: str
    provider: str
    input_usd: float
    """Per million tokens."""
    output_usd: float
    """Per million tokens."""
    cached_usd: float
    """Per million input tokens read from the cache."""
    first_token_ms: float
    token_ms: float


MODELS = (
    Model("gpt-4o", "openai", 2.5, 10, 1.25, 450, 12),
    Model("gpt-4o-mini", "openai", 0.15, 0.6, 0.075, 350, 9),
    Model("gpt-4.1", "openai", 2, 8, 0.5, 500, 11),
    Model("gpt-4.1-mini", "openai", 0.4, 1.6, 0.1, 380, 8),
    Model("gpt-4.1-nano", "openai", 0.1, 0.4, 0.025, 250, 5),
    Model("gpt-5", "openai", 1.25, 10, 0.125, 1800, 14),
    Model("gpt-5-mini", "openai", 0.25, 2, 0.025, 900, 9),
    Model("o3", "openai", 2, 8, 0.5, 4000, 13),
    Model("o1", "openai", 15, 60, 7.5, 6000, 18),
    Model("o1-pro", "openai", 150, 600, 150, 20000, 40),
    Model("gpt-5-pro", "openai", 15, 120, 15, 15000, 30),
    Model("text-embedding-3-small", "openai", 0.02, 0, 0.02, 90, 0),
    Model("text-embedding-3-large", "openai", 0.13, 0, 0.13, 120, 0),
    Model("claude-3-5-haiku-20241022", "anthropic", 0.8, 4, 0.08, 500, 13),
    Model("claude-haiku-4-5", "anthropic", 1, 5, 0.1, 450, 9),
    Model("claude-sonnet-4-20250514", "anthropic", 3, 15, 0.3, 900, 15),
    Model("claude-opus-4-20250514", "anthropic", 15, 75, 1.5, 1500, 24),
    Model("claude-opus-4-5", "anthropic", 5, 25, 0.5, 1400, 18),
    Model("gemini-2.5-flash", "google", 0.3, 2.5, 0.03, 400, 5),
    Model("gemini-2.0-flash", "google", 0.1, 0.4, 0.025, 350, 5),
    Model("mistral-small-latest", "mistral", 0.15, 0.6, 0.015, 300, 7),
    Model("mistral-large-latest", "mistral", 2, 6, 2, 500, 13),
)
INDEX = {model.name: i for i, model in enumerate(MODELS)}
EXPENSIVE = ("o1-pro", "gpt-5-pro", "o1", "claude-opus-4-20250514", "claude-opus-4-5")
CHEAP = ("gpt-4o-mini", "gpt-4.1-nano", "gpt-4.1-mini", "gemini-2.0-flash", "mistral-small-latest")
_PRICES = np.array([[m.input_usd, m.output_usd, m.cached_usd] for m in MODELS]) / 1e6
_FIRST_MS = np.array([m.first_token_ms for m in MODELS])
_TOKEN_MS = np.array([m.token_ms for m in MODELS])

REFUSALS: dict[int, str] = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "model_not_found",
    429: "rate_limit",
    500: "api_error",
    502: "bad_gateway",
    503: "overloaded",
    504: "timeout",
}


@dataclass(frozen=True, slots=True)
class Workload:
    """What one party asks for, and how often it fails."""

    models: tuple[str, ...]
    shares: tuple[float, ...]
    operation: str = "chat"
    input_median: float = 800.0
    """Tokens."""
    input_sigma: float = 0.8
    output_median: float = 220.0
    """Tokens."""
    output_sigma: float = 0.9
    context_growth: float = 0.0
    """By how much the input grows with each request of a session, as a share."""
    cached_share: float = 0.0
    """Share of the input that the cache serves, once a session runs."""
    stream_share: float = 0.0
    failures: dict[int, float] = field(
        default_factory=lambda: {429: 0.004, 500: 0.002, 503: 0.002, 400: 0.003}
    )
    """Share of requests that fail, by status."""


def dollars(table: dict[str, npt.NDArray[Any]]) -> Floats:
    """What each request costs."""
    price = _PRICES[table["model"]]
    fresh = table["input"] - table["cached"]
    spent = fresh * price[:, 0] + table["output"] * price[:, 1] + table["cached"] * price[:, 2]
    return np.asarray(spent, dtype=np.float64)


def ask(rng: Rng, workload: Workload, arrivals: Arrivals) -> dict[str, npt.NDArray[Any]]:
    """Draw the requests of some arrivals."""
    count = len(arrivals.times)
    shares = np.array(workload.shares) / sum(workload.shares)
    models = np.array([INDEX[m] for m in workload.models])[
        rng.choice(len(shares), size=count, p=shares)
    ]
    statuses = _statuses(rng, workload, count)
    served = (statuses == 200) & (workload.operation != "models.list")
    inputs = _tokens(rng, workload.input_median, workload.input_sigma, count)
    inputs = (inputs * (1 + workload.context_growth * np.minimum(arrivals.places, 60))).astype(int)
    inputs = np.minimum(inputs, 180_000) * served
    outputs = _tokens(rng, workload.output_median, workload.output_sigma, count) * served
    outputs *= _PRICES[models, 1] > 0
    cached = (inputs * workload.cached_share * rng.uniform(0.5, 1, count)).astype(int)
    cached *= arrivals.places > 0
    slow = rng.lognormal(0, 0.35, count)
    first = _FIRST_MS[models] * slow * (1 + inputs / 40_000)
    return {
        "model": models,
        "operation": np.full(count, workload.operation, dtype=object),
        "status": statuses,
        "input": inputs,
        "output": outputs,
        "cached": cached,
        "reasoning": np.where(_FIRST_MS[models] >= 1800, outputs * 3 // 5, 0),
        "latency": np.where(served, first + outputs * _TOKEN_MS[models] * slow, 40 * slow),
        "first_token": first,
        "stream": (rng.random(count) < workload.stream_share) & served,
    }


def _statuses(rng: Rng, workload: Workload, count: int) -> Ints:
    codes = np.array([200, *workload.failures])
    shares = np.array([0.0, *workload.failures.values()])
    shares[0] = max(0.0, 1 - shares.sum())
    return codes[rng.choice(len(codes), size=count, p=shares / shares.sum())]


def _tokens(rng: Rng, median: float, sigma: float, count: int) -> Ints:
    return np.maximum(1, np.round(rng.lognormal(np.log(median), sigma, count))).astype(np.int64)
