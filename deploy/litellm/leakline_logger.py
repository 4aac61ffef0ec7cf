"""Sends usage from a LiteLLM proxy to leakline. Copy this one file beside the proxy's config.

    litellm_settings:
      callbacks: ["leakline_logger.leakline"]

Environment: LEAKLINE_TOKEN, and LEAKLINE_URL: the proxy that ends TLS in front of `leakline serve`,
which speaks plain HTTP itself (https://leakline.example.com; http://127.0.0.1:8787 beside it).
To tell less of people, set LEAKLINE_PSEUDONYM_SALT (at least 16 characters), which makes
pseudonyms of end users, and LEAKLINE_CUT_ADDRESSES=1, which cuts addresses to /24, or /48 of IPv6.

Requests never wait for it: events go into a bounded queue, and a thread sends them in batches and
tries again until leakline has them. Prompts, answers, headers and error texts are removed before
an event enters the queue, and what is left is cut to what leakline looks at, since clients wrote
some of it. When leakline is away for so long that the queue is full, events are dropped and counted
in the log; so are those that it refuses.
"""
# ruff: noqa: INP001  # a file to copy, in no package

import atexit
import gzip
import hashlib
import hmac
import http.client
import json
import logging
import os
import queue
import random
import signal
import threading
import time
import urllib.request
from collections import deque
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, ip_address, ip_network
from typing import IO, Any

from litellm.integrations.custom_logger import CustomLogger

QUEUE_BYTES_MAX = 32 * 1024 * 1024
"""Some 30,000 events."""
BATCH_EVENTS_MAX = 500
BATCH_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 60.0
FLUSH_SECONDS_MAX = 5.0
BATCHES_MAX = 1000
"""Finished ones that are remembered: they have been billed."""
ANSWER_BYTES_MAX = 64 * 1024

ID_LENGTH_MAX = 256
TEXT_LENGTH_MAX = 1024
"""leakline keeps a quarter of it, and looks for secrets before it cuts."""
TAGS_MAX = 32
MESSAGE_LENGTH_MAX = 4096
"""Looked at of an error's text."""
NUMBER_MAX = 1e15
ERROR_WORDS = (
    "key is blocked",
    "is blocked. update via",
    "deactivated via scim",
    "no api key passed in",
    "malformed api key passed in",
    "invalid proxy server token passed",
    "revoked",
    "blocked",
    "expired",
)
"""All that is kept of an error's text, because it tells a revoked key from an unknown one, and
both from a failure of the proxy."""

SALT_LENGTH_MIN = 16
PSEUDONYM_LENGTH = 32
NAT64 = ip_network("64:ff9b::/96")
"""Its addresses have one of IPv4 in their last 32 bits."""

LOOK = "retrieve_batch"
USE = ("prompt_tokens", "completion_tokens", "response_cost")

log = logging.getLogger("leakline")


def stripped(payload: dict[str, Any]) -> dict[str, Any]:
    """What leakline needs of a StandardLoggingPayload: short texts, finite numbers, no prompts."""
    return _kept(payload, PAYLOAD)


def scalar(value: object) -> object:
    """A short text or a finite number; None instead of anything else."""
    if isinstance(value, str):
        return _text(value)[:TEXT_LENGTH_MAX]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < NUMBER_MAX else None
    return str(value) if isinstance(value, datetime | Decimal) else None


def right(value: object) -> str | None:
    """The right end of a forwarded list: its left end is the client's word."""
    return _text(value)[-TEXT_LENGTH_MAX:] if isinstance(value, str) else None


def identifier(value: object) -> str | None:
    """The whole of it, or a hash when it is long: ids may differ in their ends alone."""
    if not isinstance(value, str):
        return None
    text = _text(value)
    return text if len(text) <= ID_LENGTH_MAX else hashlib.sha256(text.encode()).hexdigest()


def tags(value: object) -> list[str]:
    """The first tags, without those that LiteLLM derives from the user agent."""
    texts = [tag for tag in value if isinstance(tag, str)] if isinstance(value, list) else []
    own = [tag for tag in texts if not tag.startswith("User-Agent:")]
    return [_text(tag)[:TEXT_LENGTH_MAX] for tag in own[:TAGS_MAX]]


def is_given(value: object) -> bool:
    """Of what may hold a response, only whether there is anything."""
    return bool(value)


def error_word(value: object) -> str:
    """Of an error's text, the words that leakline looks for."""
    message = value[:MESSAGE_LENGTH_MAX].lower() if isinstance(value, str) else ""
    return next((word for word in ERROR_WORDS if word in message), "")


def _text(value: str) -> str:
    """Without half a surrogate pair, which no UTF-8 has."""
    return value.strip().encode("utf-8", "replace").decode()


PAYLOAD: dict[str, Any] = {
    "id": identifier,
    "litellm_call_id": identifier,
    "call_type": scalar,
    "stream": scalar,
    "status": scalar,
    "custom_llm_provider": scalar,
    "model": scalar,
    "startTime": scalar,
    "endTime": scalar,
    "completionStartTime": scalar,
    "prompt_tokens": scalar,
    "completion_tokens": scalar,
    "response_cost": scalar,
    "response_cost_failure_debug_info": is_given,
    "cache_hit": scalar,
    "request_tags": tags,
    "end_user": scalar,
    "requester_ip_address": right,
    "user_agent": scalar,
    "metadata": {
        "user_api_key_hash": identifier,
        "user_api_key_alias": identifier,
        "user_api_key_team_id": scalar,
        "user_api_key_team_alias": scalar,
        "team_id": scalar,
        "team_alias": scalar,
        "user_api_key_auth_metadata": {"environment": scalar},
        "user_api_key_end_user_id": scalar,
        "user_api_key_request_route": scalar,
        "requester_ip_address": right,
        "user_agent": scalar,
        "requester_metadata": {"headers": {"origin": scalar, "referer": scalar}},
        "usage_object": {
            "cache_read_input_tokens": scalar,
            "cache_creation_input_tokens": scalar,
            "prompt_tokens_details": {
                "cached_tokens": scalar,
                "cache_creation_tokens": scalar,
                "cache_write_tokens": scalar,
            },
            "completion_tokens_details": {"reasoning_tokens": scalar},
        },
    },
    "error_information": {
        "error_code": scalar,
        "error_class": scalar,
        "llm_provider": scalar,
        "error_rate_limit_type": scalar,
        "error_message": error_word,
    },
}
"""All that is sent: how each field is read, or which ones of an object."""


def _kept(value: object, fields: dict[str, Any]) -> dict[str, Any]:
    given = value if isinstance(value, dict) else {}
    found = {
        name: _kept(given.get(name), read) if isinstance(read, dict) else read(given.get(name))
        for name, read in fields.items()
    }
    return {name: each for name, each in found.items() if each not in (None, "", [], {})}


class Privacy:
    """What is made of people's names and addresses before an event enters the queue."""

    def __init__(self, salt: str = "", cut: str = "") -> None:
        """Take the settings as the environment has them; empty ones change nothing."""
        if salt and len(salt) < SALT_LENGTH_MIN:
            raise ValueError(f"LEAKLINE_PSEUDONYM_SALT: at least {SALT_LENGTH_MIN} characters")
        if cut not in ("", "0", "1"):
            raise ValueError("LEAKLINE_CUT_ADDRESSES is 1, or 0")
        self._salt = salt.encode()
        self._cuts = cut == "1"

    def apply(self, event: dict[str, Any]) -> None:
        """Change a stripped event; the places are those of `PAYLOAD`."""
        metadata = event.get("metadata", {})
        for holder, name in ((event, "end_user"), (metadata, "user_api_key_end_user_id")):
            if self._salt and name in holder:
                holder[name] = self.pseudonym(str(holder[name]))
        for holder in (event, metadata):
            if self._cuts and "requester_ip_address" in holder:
                holder["requester_ip_address"] = cut_addresses(holder["requester_ip_address"])

    def pseudonym(self, name: str) -> str:
        """What stands for an end user: the same for the same salt, and of no use without it."""
        return hmac.digest(self._salt, name.encode(), "sha256").hex()[:PSEUDONYM_LENGTH]


def cut_addresses(forwarded: str) -> str:
    """A forwarded list in which each address is the first of its range."""
    return ", ".join(_cut(hop.strip()) for hop in forwarded.split(","))


def _cut(hop: str) -> str:
    """Without a port and a zone; what is no address may name somebody, and is left out."""
    text = hop.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if address in NAT64:
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    address = getattr(address, "ipv4_mapped", None) or address
    wide = 24 if address.version == 4 else 48
    return str(ip_network((address, wide), strict=False).network_address)


def bill_of_batch(event: dict[str, Any]) -> str | None:
    """The batch of which an event tells all that it used, as LiteLLM does at each look at it."""
    used = any(event.get(name) for name in USE)
    return event.get("id") if used and str(event.get("call_type")).endswith(LOOK) else None


def is_of_litellm(event: dict[str, Any]) -> bool:
    """Whether no client asked: LiteLLM reads a finished batch's file to learn what it used."""
    asked = "user_api_key_hash" in event.get("metadata", {})
    return str(event.get("call_type")).endswith("file_content") and not asked


class BytesQueue(queue.Queue[bytes]):
    """A queue that is full by the bytes in it."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: bytes) -> None:
        super()._put(item)
        self._bytes += len(item)

    def _get(self) -> bytes:
        item = super()._get()
        self._bytes -= len(item)
        return item


class EveryAnswer(urllib.request.HTTPErrorProcessor):
    """Hands on errors and redirects as they came: the token is for leakline's address alone."""

    def http_response(self, request: object, response: Any) -> Any:  # noqa: ANN401  # as there
        """The answer itself."""
        del request
        return response

    https_response = http_response


class LeaklineLogger(CustomLogger):  # type: ignore[misc]  # LiteLLM is not installed here
    """LiteLLM calls it after each request, whether that succeeded or failed."""

    def __init__(
        self,
        url: str,
        token: str,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        privacy: Privacy | None = None,
    ) -> None:
        """Take the address and token; nothing is sent before the first event."""
        super().__init__()
        if not url.startswith(("http://", "https://")) or not token:
            raise ValueError("LEAKLINE_URL and LEAKLINE_TOKEN are needed")
        self._url = url.rstrip("/") + "/v1/intake/litellm"
        self._token = token
        self._privacy = privacy or Privacy()
        self._opener = urllib.request.build_opener(EveryAnswer)
        self._queue = BytesQueue(queue_bytes_max)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._batches: deque[str] = deque(maxlen=BATCHES_MAX)
        self.dropped = 0
        """Events that did not fit into the queue."""
        self.refused = 0
        """Events that leakline does not take."""
        self._said_at = 0.0

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """A request that was answered."""
        del response_obj, start_time, end_time
        self.take(kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """A request that failed, also for its key."""
        del response_obj, start_time, end_time
        self.take(kwargs)

    def take(self, kwargs: dict[str, Any]) -> None:
        """Queue what LiteLLM says about one request. Never waits, never raises."""
        try:
            payload = kwargs.get("standard_logging_object")
            if not payload:
                return
            event = stripped(payload)
            if is_of_litellm(event):
                return
            self._privacy.apply(event)
            batch = bill_of_batch(event)
            if batch in self._batches:
                event |= dict.fromkeys(USE, 0)
                event.get("metadata", {}).pop("usage_object", None)
            body = json.dumps(event, ensure_ascii=False, allow_nan=False)
            self._queue.put_nowait(body.encode())
            if batch and batch not in self._batches:
                self._batches.append(batch)
        except queue.Full:
            self.dropped += 1
            self._say("%d events were dropped: leakline does not take them", self.dropped)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            self._say("an event could not be read: %s", type(error).__name__)
        self._run()

    def flush(self, seconds: float = FLUSH_SECONDS_MAX) -> None:
        """Give the queue some time to empty; used at exit."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        """Start the sending thread, again after a fork."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send_all, name="leakline", daemon=True)
                self._thread.start()
                atexit.register(self.flush)

    def _send_all(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)

    def _next_batch(self) -> list[bytes]:
        """Up to `BATCH_EVENTS_MAX` events; none when the process ends and nothing is left."""
        batch: list[bytes] = []
        deadline = None
        while len(batch) < BATCH_EVENTS_MAX:
            stopping = self._stopping.is_set()
            wait = 0.2 if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                batch.append(self._queue.get(timeout=wait) if wait else self._queue.get_nowait())
            except queue.Empty:
                if stopping or (deadline is not None and time.monotonic() >= deadline):
                    break
                continue
            if deadline is None:
                deadline = time.monotonic() + (0.0 if stopping else BATCH_SECONDS)
        return batch

    def _deliver(self, batch: list[bytes]) -> None:
        """Send until it is taken; a batch that nobody can read, or take at once, goes in halves."""
        pause = 0.5
        while True:
            status, said = self._post(batch)
            rejected = said.get("rejected")
            if isinstance(rejected, int) and (200 <= status < 300 or rejected == len(batch)):
                self._note_refused(rejected, "it keeps them as dead letters")
                return
            if status == 413 or (status == 400 and said):
                self._deliver_halves(batch, status)
                return
            answered = status or "nothing"
            self._say("leakline, or what is before it, answered %s; %d wait", answered, len(batch))
            if self._stopping.is_set():
                return
            self._stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
            pause = min(pause * 2, BACKOFF_SECONDS_MAX)

    def _deliver_halves(self, batch: list[bytes], status: int) -> None:
        if len(batch) == 1:
            self._note_refused(1, f"it answered {status} to one of {len(batch[0])} bytes")
            return
        self._say("leakline answered %d; %d events go in halves", status, len(batch))
        middle = len(batch) // 2
        self._deliver(batch[:middle])
        self._deliver(batch[middle:])

    def _note_refused(self, count: int, why: str) -> None:
        if count:
            self.refused += count
            self._say("%d events were refused by leakline so far: %s", self.refused, why)

    def _post(self, batch: list[bytes]) -> tuple[int, dict[str, Any]]:
        """The HTTP status, 0 without an answer, and what leakline says, nothing if it is not its.

        A sign-in page in front of leakline says 200, too, and has taken nothing; a server that
        expects TLS says 400, and has looked at no event.
        """
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked
            self._url,
            gzip.compress(b"\n".join(batch), 1),
            {
                "Authorization": "Bearer " + self._token,
                "Content-Type": "application/x-ndjson",
                "Content-Encoding": "gzip",
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return int(answer.status), _object_in(answer)
        except (OSError, ValueError, http.client.HTTPException):
            return 0, {}

    def _say(self, text: str, *values: object) -> None:
        """Log, at most once in 30 seconds."""
        if time.monotonic() - self._said_at >= 30 or not self._said_at:
            self._said_at = time.monotonic()
            log.warning(text, *values)


def _object_in(answer: IO[bytes]) -> dict[str, Any]:
    """An answer's JSON object; empty when it has none, as all that are not leakline's."""
    try:
        value = json.loads(answer.read(ANSWER_BYTES_MAX))
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return {}
    return value if isinstance(value, dict) else {}


def flush_before_the_end(logger: LeaklineLogger) -> None:
    """Let SIGTERM take effect once the queue is empty.

    The proxy's web server ends itself by the signal, so that nothing registered at exit runs. A
    second SIGTERM takes effect at once.
    """
    before = signal.getsignal(signal.SIGTERM)
    if before is None or threading.current_thread() is not threading.main_thread():
        return  # handlers that are not Python's, or not ours to change

    def flush(number: int) -> None:
        logger.flush()
        os.kill(os.getpid(), number)

    def first(number: int, frame: object) -> None:
        del frame
        signal.signal(number, before)
        threading.Thread(target=flush, args=(number,), daemon=True).start()

    signal.signal(signal.SIGTERM, first)


def from_environment() -> LeaklineLogger:
    """The logger that the environment describes."""
    url, token, salt, cut = (
        os.environ.get(f"LEAKLINE_{name}", "")
        for name in ("URL", "TOKEN", "PSEUDONYM_SALT", "CUT_ADDRESSES")
    )
    return LeaklineLogger(url, token, privacy=Privacy(salt, cut))


leakline = from_environment()
flush_before_the_end(leakline)
