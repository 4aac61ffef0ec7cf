"""Every HTTP status has one meaning."""

import pytest

from pipeline.outgoing.http_outcomes import http_outcome

RETRY = {408, 425, 429, 500, 502, 503, 504, *range(506, 600)}


@pytest.mark.parametrize("status", range(100, 600))
def test_the_table(status: int) -> None:
    delivered = range(200, 300)
    assert (http_outcome(status) == "delivered") == (status in delivered)
    assert (http_outcome(status) == "retry") == (status in RETRY)
