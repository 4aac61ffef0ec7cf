from clickhouse_connect.driver.exceptions import OperationalError

from pipeline.store.errors import StoreUnavailable, translate


def test_a_long_error_says_where_it_happened_and_why() -> None:
    """The driver puts every setting into the address, and the cause behind it."""
    address = "url: /?" + "&".join(f"setting_{number}={number}" for number in range(100))
    raised = OperationalError(f"HTTPConnectionPool(host='ch')\n{address} (Connection refused)")
    error = translate(raised)
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith("HTTPConnectionPool(host='ch') url: /?setting_0=0")
    assert str(error).endswith("=99 (Connection refused)")
    assert len(str(error)) <= 500
    assert "\n" not in str(error)
