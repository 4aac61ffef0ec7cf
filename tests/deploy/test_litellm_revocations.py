import asyncio
import contextlib
import hashlib
import http.client
import importlib.util
import json
import os
import re
import socket
import stat
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook

from pipeline.config import Config, Gateway
from pipeline.response.check import check_gateways
from pipeline.response.webhook import WebhookGateway
from schemas.action import Action

FILE = Path(__file__).parents[2] / "deploy" / "litellm" / "leakline_revocations.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = "sk-a-key-of-a-team"
HASH = hashlib.sha256(KEY.encode()).hexdigest()


class ProxyException(Exception):  # noqa: N818 - LiteLLM's name
    def __init__(self, **fields: object) -> None:
        super().__init__(fields["message"])
        self.code = fields["code"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    types = ModuleType("litellm.proxy._types")
    types.ProxyException = ProxyException  # type: ignore[attr-defined]  # a stand-in
    types.UserAPIKeyAuth = dict  # type: ignore[attr-defined]  # a stand-in
    for name, stub in {"litellm": ModuleType("litellm"), "litellm.proxy": types}.items():
        monkeypatch.setitem(sys.modules, name, stub)
    monkeypatch.setitem(sys.modules, "litellm.proxy._types", types)
    monkeypatch.setenv("LEAKLINE_REVOKED_FILE", str(tmp_path / "revoked.json"))
    monkeypatch.setenv("LEAKLINE_KEYS_FILE", str(tmp_path / "keys.json"))
    (tmp_path / "keys.json").write_text(json.dumps({HASH: {"key_alias": "team-a", "team_id": "a"}}))
    spec = importlib.util.spec_from_file_location("leakline_revocations", FILE)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def receiver_of(module: ModuleType) -> Any:  # noqa: ANN401 - of a module that is loaded from a file
    return module.Receiver(SECRET, module.REVOKED, module.KEYS)


@pytest.fixture
def url(module: ModuleType) -> Iterator[str]:
    server = module.serve(receiver_of(module), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def action(kind: str, number: int = 1) -> Action:
    return Action(
        action_id=f"act-{kind}-{number}",
        incident_id="inc-1",
        key_id=HASH,
        kind=kind,  # type: ignore[arg-type]  # one of the kinds
        requested_by="policy:x",
        requested_at=0.0,
    )


def works(module: ModuleType) -> bool:
    try:
        found = asyncio.run(module.custom_auth(None, KEY))
    except ProxyException as error:
        assert error.code == 401  # noqa: PT017 - both outcomes are answers
        return False
    assert found == {"api_key": HASH, "key_alias": "team-a", "team_id": "a"}
    return True


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1} {'])
def test_a_damaged_file_is_not_written_over(module: ModuleType, url: str, content: str) -> None:
    file = Path(os.environ["LEAKLINE_REVOKED_FILE"])
    file.write_text(content)
    gateway = WebhookGateway(
        Gateway(name="g", url=url, secret=SecretStr(SECRET), allowed_networks=["127.0.0.0/8"])
    )
    now = datetime.now(UTC).timestamp()
    assert asyncio.run(gateway.act(action("revoke"), now)).outcome == "retry"
    assert file.read_text() == content
    file.write_text('{"another": 1}')
    assert asyncio.run(gateway.act(action("revoke"), now)).outcome == "delivered"
    assert json.loads(file.read_text()).keys() == {"another", HASH}
    assert not works(module)


def test_leakline_takes_the_settings_that_it_names(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lines,) = re.findall(r"( {7}\[\[response.*?)2\. ", module.__doc__ or "", re.DOTALL)
    (tmp_path / "leakline.toml").write_text(textwrap.dedent(lines))
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__PROXY", SECRET)
    assert check_gateways(Config.load(tmp_path / "leakline.toml")) == []


def test_a_revoked_key_is_refused_until_it_is_restored(module: ModuleType, url: str) -> None:
    gateway = WebhookGateway(
        Gateway(
            name="g",
            url=url,
            probe_url=url,
            secret=SecretStr(SECRET),
            allowed_networks=["127.0.0.0/8"],
        )
    )
    now = datetime.now(UTC).timestamp()
    assert works(module)
    for kind, working in (("revoke", False), ("restore", True)):
        asyncio.run(gateway.act(action(kind), now))
        assert works(module) is working
        assert asyncio.run(gateway.works(action(kind), now)) is working


def test_another_process_and_a_restart_see_it(module: ModuleType, tmp_path: Path) -> None:
    answer(receiver_of(module), "key.revoke")
    assert HASH in module.JsonFile(tmp_path / "revoked.json").value()


def test_an_unknown_key_is_refused(module: ModuleType) -> None:
    with pytest.raises(ProxyException, match="unknown key"):
        asyncio.run(module.custom_auth(None, "sk-somebody-else"))


def answer(
    receiver: Any,  # noqa: ANN401 - of a module that is loaded from a file
    kind: str,
    message_id: str = "msg-1",
    data: object = None,
    **headers: str,
) -> int:
    return answer_after(0, receiver, kind, message_id, data, **headers)


def answer_after(
    seconds: int,
    receiver: Any,  # noqa: ANN401 - as above
    kind: str,
    message_id: str,
    data: object = None,
    **headers: str,
) -> int:
    """The answer to a webhook that was sent so long ago."""
    body = json.dumps({"type": kind, "data": {"key_id": HASH} if data is None else data})
    now = datetime.now(UTC) - timedelta(seconds=seconds)
    sent = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(message_id, now, body),
    } | {f"webhook-{name}": value for name, value in headers.items()}
    return int(receiver.answer(sent, body.encode(), now.timestamp())[0])


def test_the_proxy_may_run_as_another_user(module: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "revoked.json"
    before = os.umask(0o077)
    try:
        assert answer(receiver_of(module), "key.revoke") == 200
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert answer(receiver_of(module), "key.status") == 200
    file.chmod(0o600)
    assert answer(receiver_of(module), "key.status") == 503
    assert answer(receiver_of(module), "key.restore") == 200
    assert answer(receiver_of(module), "key.status") == 200


def test_a_dead_key_is_not_vouched_for_when_the_file_is_gone(
    module: ModuleType, tmp_path: Path
) -> None:
    receiver = receiver_of(module)
    assert [answer(receiver, kind, kind) for kind in ("key.revoke", "key.status")] == [200, 200]
    (tmp_path / "revoked.json").unlink()
    assert answer(receiver, "key.status") == 503


def test_a_proxy_that_has_seen_no_file_goes_on_when_it_cannot_read_the_first(
    module: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert works(module)
    (tmp_path / "revoked.json").write_text("{half")
    assert works(module)
    assert "its last good state counts" in caplog.text


@pytest.mark.parametrize("kind", ["key.revoke", "key.restore", "key.status"])
@pytest.mark.parametrize("key_id", ["nosuch", "team-a", "", HASH.upper(), "0" * 64])
def test_what_is_no_key_of_the_proxy_is_not_revoked(
    module: ModuleType, kind: str, key_id: str
) -> None:
    assert answer(receiver_of(module), kind, data={"key_id": key_id}) == 404


def test_a_hash_may_say_that_it_is_one(module: ModuleType) -> None:
    data = {"key_id": f"sha256:{HASH}"}
    assert answer(receiver_of(module), "key.revoke", data=data) == 200
    assert not works(module)


def test_a_receiver_without_the_keys_takes_any_hash(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "keys.json").unlink()
    assert answer(receiver_of(module), "key.revoke", data={"key_id": "0" * 64}) == 200


def test_a_revoked_key_can_be_restored_after_it_was_taken_from_the_keys(
    module: ModuleType, tmp_path: Path
) -> None:
    receiver = receiver_of(module)
    assert answer(receiver, "key.revoke") == 200
    (tmp_path / "keys.json").write_text('{"another": {}}')
    assert [answer(receiver, kind, kind) for kind in ("key.status", "key.restore")] == [200, 200]


@pytest.mark.parametrize("length", ["²", "-1", "1e3", "65537"])
def test_a_body_of_no_known_length_is_refused(url: str, length: str) -> None:
    host = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("POST", "/", b"{}", {"Content-Length": length.encode("latin-1")})
    assert connection.getresponse().status == 413
    connection.close()


BEGUN = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"


@pytest.mark.parametrize("begun", [BEGUN, b"POST / HTTP/1.1\r\nX: "])
def test_who_sends_byte_by_byte_is_let_go(
    module: ModuleType, url: str, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with connected(url) as connection:
        connection.sendall(begun)
        with contextlib.suppress(OSError):
            for _ in range(400):
                connection.sendall(b"x")
                time.sleep(0.05)
            pytest.fail("it still listens")


def test_a_crowd_keeps_no_revocation_away(
    module: ModuleType, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_MAX", 3)
    crowd = [connected(url) for _ in range(20)]
    for connection in crowd:
        connection.sendall(BEGUN)
    gateway = WebhookGateway(
        Gateway(name="g", url=url, secret=SecretStr(SECRET), allowed_networks=["127.0.0.0/8"])
    )
    asyncio.run(gateway.act(action("revoke"), datetime.now(UTC).timestamp()))
    assert not works(module)
    assert threading.active_count() < 10
    for connection in crowd:
        connection.close()


def test_who_ends_while_the_late_are_looked_for_ends_nobody_else(module: ModuleType) -> None:
    server = module.serve(receiver_of(module), "127.0.0.1", 0)

    class Until(float):
        def __le__(self, now: float) -> bool:
            server._open.popitem()  # as a thread does, at any time
            return False

    server._open = {object(): Until() for _ in range(3)}
    server.service_actions()
    assert not server._open
    server.server_close()


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_a_repetition_does_not_undo_what_came_after(module: ModuleType) -> None:
    receiver = receiver_of(module)
    for kind, message_id in (("key.revoke", "1"), ("key.restore", "2"), ("key.revoke", "1")):
        assert answer(receiver, kind, message_id) == 200
    assert works(module)


def test_a_captured_restore_does_not_outlive_a_restart(module: ModuleType) -> None:
    receiver = receiver_of(module)
    for number, kind in enumerate(("key.revoke", "key.restore", "key.revoke")):
        assert answer_after(30 - 10 * number, receiver, kind, str(number)) == 200
    assert answer_after(20, receiver_of(module), "key.restore", "1") == 200
    assert not works(module)
    assert answer(receiver_of(module), "key.restore", "3") == 200
    assert works(module)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"signature": "v1,AAAA"}, 401),
        ({"signature": "garbage"}, 400),
        ({"signature": ""}, 401),
        ({"timestamp": "1600000000"}, 401),
        ({"timestamp": "soon"}, 401),
        ({"id": "another"}, 401),
    ],
)
def test_an_unsigned_webhook_is_refused(
    module: ModuleType, headers: dict[str, str], status: int
) -> None:
    assert answer(receiver_of(module), "key.revoke", **headers) == status
    assert works(module)


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("key.throttle", None, 422),
        ("key.revoke", {}, 400),
        ("key.revoke", {"key_id": 5}, 400),
        ("key.revoke", [], 400),
    ],
)
def test_what_it_does_not_understand(
    module: ModuleType, kind: str, data: object, status: int
) -> None:
    assert answer(receiver_of(module), kind, data=data) == status


def test_a_weak_secret_is_refused(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least 24 bytes"):
        module.Receiver("whsec_short", module.REVOKED, module.KEYS)


def test_a_damaged_file_changes_nothing(module: ModuleType, tmp_path: Path) -> None:
    answer(receiver_of(module), "key.revoke")
    assert not works(module)
    (tmp_path / "revoked.json").write_text("{half")
    assert not works(module)


@pytest.mark.parametrize("content", ["", "{half", "[]", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_file_that_is_damaged_from_the_start_lets_nobody_in(
    module: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes
) -> None:
    file = tmp_path / "revoked.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    for _ in range(2):
        with pytest.raises(ProxyException, match="cannot be read") as refused:
            asyncio.run(module.custom_auth(None, KEY))
        assert refused.value.code == 503
    (line,) = [each.getMessage() for each in caplog.records]  # said once
    assert str(file) in line
    assert "no key is accepted" in line
    file.write_text("{}")
    assert works(module)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.text(max_size=30),
    ),
)
def test_any_request_is_refused(module: ModuleType, body: bytes, headers: dict[str, str]) -> None:
    status, _ = receiver_of(module).answer(headers, body, 0.0)
    assert status in (400, 401)
