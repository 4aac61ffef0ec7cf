"""The table of networks says what the look-ups say."""

import iptocc
import numpy as np
import pytest
from iporigin import classify

from pipeline.simulate.addresses import NETWORKS, Network, address, neighbourhood


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_country_and_kind_are_those_of_the_registries(network: Network) -> None:
    rng = np.random.default_rng(1)
    drawn = [address(rng, neighbourhood(rng, network)) for _ in range(60)]
    expected = {"isp": "unknown", "mobile": "unknown"}.get(network.kind, network.kind)
    kinds = [classify(ip).kind for ip in drawn]  # type: ignore[no-untyped-call] # it has no types
    right = [
        iptocc.country_code(ip) == network.country and kind == expected
        for ip, kind in zip(drawn, kinds, strict=True)
    ]
    assert sum(right) >= 57
