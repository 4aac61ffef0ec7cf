"""TLS to ClickHouse's HTTP interface."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import Store as StoreConfig
from pipeline.store import Store
from pipeline.store.errors import StoreError
from tests.support.certificates import Authority
from tests.support.clickhouse_front import Front


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(authority: Authority, store_path: Path) -> Iterator[int]:
    certificate = authority.issue("clickhouse")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    front = Front(store_path, tls=tls)
    front.start()
    yield front.port
    front.stop()


def test_rows_go_through_tls(authority: Authority, port: int) -> None:
    config = StoreConfig(
        host="localhost", port=port, secure=True, ssl_cafile=authority.certificate, database="tls"
    )
    with Store.open(config) as store:
        assert store.migrate()
        assert store.query("SELECT count() FROM usage_events").rows == [(0,)]


@pytest.mark.parametrize("ours", [True, False], ids=["another authority", "the usual ones"])
def test_a_strangers_certificate_is_refused_in_one_line(
    port: int, tmp_path: Path, *, ours: bool
) -> None:
    stranger = Authority(tmp_path, "stranger").certificate if ours else None
    config = StoreConfig(host="localhost", port=port, secure=True, ssl_cafile=stranger)
    with pytest.raises(StoreError, match="certificate") as caught, Store.open(config):
        pass
    assert "\n" not in str(caught.value)
