"""Every decoder and endpoint is fuzzed, on every core."""

from functools import partial

from tests.faults.fuzzing import Fuzzed, fuzz, targets
from tests.faults.fuzzing_http import fuzz_http
from tests.faults.simulation import every_core


def fuzz_all(inputs: int, requests: int) -> list[Fuzzed]:
    """Feed each decoder with so many inputs, and the server with so many requests."""
    with every_core() as pool:
        over_http = pool.apply_async(fuzz_http, (requests,))
        decoders = pool.map(partial(_fuzz, inputs), range(len(targets())), chunksize=1)
        return [*decoders, over_http.get()]


def _fuzz(inputs: int, number: int) -> Fuzzed:
    return fuzz(targets()[number], inputs)
