"""The table of networks says what the look-ups say."""

import iporigin
import iptocc
import numpy as np
import pytest

from pipeline.simulate.addresses import NETWORKS, Network, address, neighbourhood


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_country_and_kind_are_those_of_the_registries(network: Network) -> None:
    rng = np.random.default_rng(1)
    drawn = [address(rng, neighbourhood(rng, network)) for _ in range(60)]
    expected = {"isp": "unknown", "mobile": "unknown"}.get(network.kind, network.kind)
    right = [
        iptocc.country_code(ip) == network.country and iporigin.classify(ip).kind == expected
        for ip in drawn
    ]
    assert sum(right) >= 57
