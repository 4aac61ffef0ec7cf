"""What thieves use a key for: the workloads of stolen, resold and probed keys."""

from dataclasses import replace

from pipeline.simulate.arrivals import Rng
from pipeline.simulate.choice import log_uniform
from pipeline.simulate.workload import CHEAP, EXPENSIVE, MODELS, Workload

PROBE_FAILURES = {401: 0.1, 403: 0.2, 404: 0.35, 400: 0.05}


def loot(rng: Rng, provider: str, *, dear: bool) -> Workload:
    """Long answers of good models: the dearest, or what everybody uses."""
    sold = [m.name for m in MODELS if m.provider == provider and m.output_usd > 0]
    best = [name for name in sold if name in EXPENSIVE]
    usual = [name for name in sold if name not in EXPENSIVE and name not in CHEAP]
    models = (best if dear and best else usual) or sold
    chosen = rng.permutation(models)[: int(rng.integers(1, 4))]
    return Workload(
        tuple(str(m) for m in chosen),
        tuple(0.5**i for i in range(len(chosen))),
        input_median=log_uniform(rng, 600, 6000),
        output_median=log_uniform(rng, 300, 1500),
        context_growth=0.1,
        stream_share=float(rng.uniform(0, 1)),
        failures={429: log_uniform(rng, 0.005, 0.2), 400: 0.01, 404: 0.01, 500: 0.002},
    )


def menu(rng: Rng, provider: str) -> Workload:
    """What a crowd of strangers asks for: everything on the menu."""
    sold = tuple(m.name for m in MODELS if m.provider == provider and m.output_usd > 0)
    return Workload(
        sold,
        tuple(rng.uniform(0.2, 1, len(sold)).tolist()),
        input_median=1500,
        input_sigma=1.3,
        output_median=500,
        output_sigma=1.0,
        context_growth=0.2,
        stream_share=0.8,
        failures={429: 0.03, 400: 0.03, 404: 0.02, 500: 0.003},
    )


def stuffing(own: Workload, input_median: float) -> Workload:
    """The owner's kind of request, with enormous inputs."""
    return replace(own, input_median=input_median, input_sigma=0.25, context_growth=0.0)
