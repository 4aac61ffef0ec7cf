"""Revoked keys for a LiteLLM proxy that has no database. Copy this one file beside its config.

Two parts share a file of revoked keys:

1. A receiver of leakline's signed webhooks, in a process of its own:
       LEAKLINE_WEBHOOK_SECRET=whsec_… python leakline_revocations.py 127.0.0.1:8790
   In leakline, with the same secret in `response.gateway_secrets`:
       [[response.gateways]]
       name = "proxy"
       url = "http://127.0.0.1:8790"
       probe_url = "http://127.0.0.1:8790"
       allowed_networks = ["127.0.0.0/8"]
2. The proxy's authentication, which refuses revoked keys:
       general_settings:
         custom_auth: leakline_revocations.custom_auth

Environment: LEAKLINE_REVOKED_FILE (default revoked.json), LEAKLINE_KEYS_FILE (default keys.json):
an object of the proxy's keys, by SHA-256: {"<hash>": {"key_alias": "team-a", "team_id": "a"}}.

The parts may run as two users. The receiver's must be able to write to the folder of the revoked
keys, the proxy's to read in it; the file, which holds hashes and times and no secret, is made
readable for all. While it is not, the receiver does not say of any key that it is dead.

A proxy with a database needs none of this: leakline blocks its keys over the admin API.
"""
# ruff: noqa: INP001  # a file to copy, in no package

import contextlib
import hashlib
import json
import logging
import os
import re
import socket
import stat
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

log = logging.getLogger("leakline")

REMEMBERED_SECONDS = 600
BODY_BYTES_MAX = 64 * 1024
TIMEOUT_SECONDS = 10
"""For all of a request to arrive."""
CONNECTIONS_MAX = 64
"""At once, each with a thread: beyond them the oldest makes room, as leakline's takes no time."""
KEY_ID = re.compile(r"[0-9a-f]{64}")
"""The SHA-256 of a key, by which LiteLLM and leakline know it."""
FILE_MODE = 0o644
SECRET_LENGTH_MIN = 32
"""`whsec_` is followed by base64 of at least 24 bytes."""


class JsonFile:
    """An object in a file, read again when it changes; the last good one counts meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._value: dict[str, Any] | None = None
        self.damaged = False
        """Whether there is a file that could not be read the last time."""

    def value(self) -> dict[str, Any] | None:
        """The object; empty while there is no file, None while there is only a damaged one."""
        try:
            self._refresh()
        except FileNotFoundError:
            self._value = {} if self._value is None else self._value
            self._note(None)
        except (OSError, ValueError) as error:
            self._note(error)
        else:
            self._note(None)
        return self._value

    def readable_for_all(self) -> bool:
        """Whether another user's process can see what is in it."""
        try:
            return bool(self._path.stat().st_mode & stat.S_IROTH)
        except OSError:
            return False

    def _refresh(self) -> None:
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp == self._stamp:
            return
        value = json.loads(self._path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it holds no JSON object")  # noqa: TRY004  # as any other damage
        self._value, self._stamp = value, stamp

    def _note(self, error: Exception | None) -> None:
        """Log what is wrong with the file, once."""
        if error is not None and not self.damaged:
            instead = "no key is accepted" if self._value is None else "its last good state counts"
            log.error("%s cannot be read (%s): until it can, %s", self._path, error, instead)
        elif error is None and self.damaged:
            log.warning("%s can be read again", self._path)
        self.damaged = error is not None

    def write(self, value: dict[str, Any]) -> None:
        """Replace the object so that a reader sees the old or the new one, never half of it."""
        with tempfile.NamedTemporaryFile(
            "w", dir=self._path.parent, delete=False, encoding="utf-8"
        ) as file:
            json.dump(value, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(FILE_MODE)  # a temporary file is its owner's alone
        Path(file.name).replace(self._path)


class Receiver:
    """Obeys signed webhooks: `key.revoke` and `key.restore`; answers `key.status`."""

    def __init__(self, secret: str, revoked: JsonFile, keys: JsonFile) -> None:
        """Take the secret that leakline signs with, and the two files."""
        from standardwebhooks import Webhook  # noqa: PLC0415  # the proxy does not need it

        if len(secret.removeprefix("whsec_")) < SECRET_LENGTH_MIN:
            raise ValueError("LEAKLINE_WEBHOOK_SECRET must be whsec_ and at least 24 bytes")
        self._webhook = Webhook(secret)
        self._revoked, self._keys = revoked, keys
        self._seen: dict[str, float] = {}
        self._one = threading.Lock()

    def answer(
        self, headers: dict[str, str], body: bytes, now: float
    ) -> tuple[int, dict[str, Any]]:
        """(HTTP status, JSON) for one request."""
        from standardwebhooks import WebhookVerificationError  # noqa: PLC0415  # see above

        try:
            message = self._webhook.verify(body, headers)
            kind, key_id = message["type"], message["data"]["key_id"]
        except WebhookVerificationError:
            return 401, {"error": "the signature is wrong"}
        except (ValueError, KeyError, TypeError):  # garbage in the header raises ValueError
            return 400, {"error": "this is no webhook of leakline"}
        if not isinstance(key_id, str):
            return 400, {"error": "key_id is no text"}
        with self._one:
            return self._obey(kind, key_id.removeprefix("sha256:"), headers, now)

    def _obey(
        self, kind: object, key_id: str, headers: dict[str, str], now: float
    ) -> tuple[int, dict[str, Any]]:
        known = self._revoked.value()
        if known is None or self._revoked.damaged:  # a new file would let all earlier ones in
            return 503, {"error": "the file of revoked keys cannot be read"}
        revoked = dict(known)
        keys = self._keys.value()  # none when they are not on this machine
        if not KEY_ID.fullmatch(key_id) or (keys and key_id not in keys.keys() | revoked.keys()):
            return 404, {"error": "the proxy has no such key: it knows keys by their SHA-256"}
        if kind == "key.status":
            if key_id in revoked and not self._revoked.readable_for_all():
                return 503, {"error": "the proxy may be unable to read the file of revoked keys"}
            return 200, {"active": key_id not in revoked}
        if kind not in ("key.revoke", "key.restore"):
            return 422, {"error": "only revoke, restore and status are understood"}
        self._seen = {name: at for name, at in self._seen.items() if at > now - REMEMBERED_SECONDS}
        message_id, sent_at = headers["webhook-id"], int(float(headers["webhook-timestamp"]))
        since = revoked.get(key_id)
        since = since if isinstance(since, int) else 0
        if message_id not in self._seen:  # a repetition must not undo what came after it
            if kind == "key.revoke":
                revoked[key_id] = max(sent_at, since)
            elif sent_at >= since:  # also after a restart, when nothing is remembered
                revoked.pop(key_id, None)
            self._revoked.write(revoked)
            self._seen[message_id] = now
        return 200, {"active": key_id not in revoked}


class Server(ThreadingHTTPServer):
    """A server of which nobody holds a thread for long: anybody can connect to it."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        """Listen."""
        self._open: dict[socket.socket, float] = {}
        """Connections, the oldest first, with when each has to end.

        Threads take theirs out whenever they end, so it is copied, at one go, to be looked through.
        """
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as there
        """Hand a connection to a thread."""
        there = list(self._open)
        if len(there) >= CONNECTIONS_MAX:
            self._end(there[0])
        self._open[request] = time.monotonic() + TIMEOUT_SECONDS
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End what takes too long; called twice a second."""
        now = time.monotonic()
        for connection, until in list(self._open.items()):
            if until <= now:
                self._end(connection)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  # as there
        """Forget a connection that is answered."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever is gone before the answer is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # a socket

    def _end(self, connection: socket.socket) -> None:
        self._open.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def serve(receiver: Receiver, host: str, port: int) -> Server:
    """A server for the receiver; call `serve_forever` on it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one webhook."""
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()) or int(length) > BODY_BYTES_MAX:
                self._write(413, {"error": "the body is too large, or its length is not known"})
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._write(*receiver.answer(headers, self.rfile.read(int(length)), time.time()))

        def log_message(self, *values: object) -> None:
            """Requests are not logged."""

        def _write(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Server((host, port), Handler)


REVOKED = JsonFile(Path(os.environ.get("LEAKLINE_REVOKED_FILE", "revoked.json")))
KEYS = JsonFile(Path(os.environ.get("LEAKLINE_KEYS_FILE", "keys.json")))


async def custom_auth(request: object, api_key: str) -> object:
    """Who a key belongs to.

    Unknown and revoked keys are refused with 401; every key with 503 while nobody knows which
    ones are revoked.
    """
    from litellm.proxy._types import ProxyException, UserAPIKeyAuth  # noqa: PLC0415  # the receiver does not need it

    del request
    key_hash = hashlib.sha256(api_key.removeprefix("Bearer ").encode()).hexdigest()
    about, revoked = (KEYS.value() or {}).get(key_hash), REVOKED.value()
    if revoked is None:
        raise ProxyException(
            message="revoked keys cannot be read", type="auth_error", param="key", code=503
        )
    if key_hash in revoked:
        raise ProxyException(message="key revoked", type="auth_error", param="key", code=401)
    if not isinstance(about, dict):
        raise ProxyException(message="unknown key", type="auth_error", param="key", code=401)
    return UserAPIKeyAuth(
        api_key=key_hash, key_alias=about.get("key_alias"), team_id=about.get("team_id")
    )


def main() -> int:
    """Run the receiver."""
    host, _, port = (sys.argv[1] if len(sys.argv) == 2 else "").rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        sys.stderr.write("usage: leakline_revocations.py HOST:PORT\n")
        return 2
    try:
        receiver = Receiver(os.environ.get("LEAKLINE_WEBHOOK_SECRET", ""), REVOKED, KEYS)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(receiver, host, int(port)).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
