import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.config import Store as StoreConfig
from pipeline.store import Store, StoreUnavailable
from tests.support.clickhouse_front import Front
from tests.support.fixtures_store import Server


def post(port: int, path: str, body: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body.encode())
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


def test_settings_and_databases_of_a_request_end_with_it(front: Front) -> None:
    assert post(front.port, "/?max_threads=1", "SELECT getSetting('max_threads')") == "1\n"
    assert post(front.port, "/", "SELECT getSetting('max_threads')") != "1\n"
    assert post(front.port, "/?database=system", "SELECT currentDatabase()") == "system\n"
    assert post(front.port, "/", "SELECT currentDatabase()") == "default\n"


def test_parameters_are_bound(front: Front) -> None:
    assert post(front.port, "/?param_x=it%27s", "SELECT {x:String}") == "it\\'s\n"


def test_several_clients_are_served_at_once(front: Front) -> None:
    config = Server("127.0.0.1", front.port).config("default")
    with Store.open(config) as one, Store.open(config) as other:
        assert one.query("SELECT 1").rows == other.query("SELECT 1").rows == [(1,)]


def test_it_runs_on_its_own_and_takes_faults_over_http(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.clickhouse_front", "--path", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with Store.open(StoreConfig(host="127.0.0.1", port=port)) as store:
                store.migrate()
                assert store.missing_migrations() == []
                post(port, "/faults", '[{"kind": "error", "match": "SELECT 42"}]')
                with pytest.raises(StoreUnavailable):
                    store.query("SELECT 42")
                assert store.query("SELECT 42").rows == [(42,)]
        finally:
            process.terminate()
