"""Sends usage from a LiteLLM proxy to leakline. Copy this one file beside the proxy's config.

    litellm_settings:
      callbacks: ["leakline_logger.leakline"]

Environment: LEAKLINE_URL (such as https://leakline.internal:8787) and LEAKLINE_TOKEN.

Requests never wait for it: events go into a bounded queue, and a thread sends them in batches and
tries again until leakline has them. Prompts, answers, headers and error texts are removed before
an event enters the queue. When leakline is away for so long that the queue is full, events are
dropped and counted in the log.
"""
# ruff: noqa: INP001  # a file to copy, in no package

import atexit
import gzip
import json
import logging
import os
import queue
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

QUEUE_EVENTS_MAX = 20_000
BATCH_EVENTS_MAX = 500
BATCH_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0
BACKOFF_SECONDS_MAX = 60.0
FLUSH_SECONDS_MAX = 5.0

FIELDS = (
    "id",
    "litellm_call_id",
    "call_type",
    "stream",
    "status",
    "custom_llm_provider",
    "model",
    "startTime",
    "endTime",
    "completionStartTime",
    "prompt_tokens",
    "completion_tokens",
    "response_cost",
    "cache_hit",
    "request_tags",
    "end_user",
    "requester_ip_address",
    "user_agent",
)
METADATA_FIELDS = (
    "user_api_key_hash",
    "user_api_key_alias",
    "user_api_key_team_id",
    "user_api_key_team_alias",
    "user_api_key_end_user_id",
    "user_api_key_request_route",
    "requester_ip_address",
    "user_agent",
    "usage_object",
)
ERROR_FIELDS = ("error_code", "error_class", "llm_provider", "error_rate_limit_type")
ERROR_WORDS = ("revoked", "blocked", "expired")
"""All that is kept of an error's text, because it tells a revoked key from an unknown one."""
HEADERS = ("origin", "referer")

log = logging.getLogger("leakline")


def stripped(payload: dict[str, Any]) -> dict[str, Any]:
    """What leakline needs of a StandardLoggingPayload, and nothing that anybody wrote."""
    metadata = _table(payload.get("metadata"))
    error = _table(payload.get("error_information"))
    headers = _table(_table(metadata.get("requester_metadata")).get("headers"))
    message = str(error.get("error_message") or "").lower()
    kept = _only(payload, FIELDS)
    kept["metadata"] = _only(metadata, METADATA_FIELDS)
    kept["metadata"]["requester_metadata"] = {"headers": _only(headers, HEADERS)}
    kept["error_information"] = _only(error, ERROR_FIELDS)
    kept["error_information"]["error_message"] = next(
        (word for word in ERROR_WORDS if word in message), ""
    )
    return kept


class LeaklineLogger(CustomLogger):  # type: ignore[misc]  # LiteLLM is not installed here
    """LiteLLM calls it after each request, whether that succeeded or failed."""

    def __init__(self, url: str, token: str, queue_events_max: int = QUEUE_EVENTS_MAX) -> None:
        """Take the address and token; nothing is sent before the first event."""
        super().__init__()
        if not url.startswith(("http://", "https://")) or not token:
            raise ValueError("LEAKLINE_URL and LEAKLINE_TOKEN are needed")
        self._url = url.rstrip("/") + "/v1/intake/litellm"
        self._token = token
        self._queue: queue.Queue[bytes] = queue.Queue(queue_events_max)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.dropped = 0
        """Events that did not fit into the queue."""
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
            self._queue.put_nowait(json.dumps(stripped(payload), default=str).encode())
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
        """Send until it is taken; a batch that is too large goes in halves."""
        pause = 0.5
        while True:
            status = self._post(batch)
            if status == 413 and len(batch) > 1:
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                self._deliver(batch[middle:])
                return
            if 200 <= status < 300 or status in (400, 413):  # 400: leakline keeps dead letters
                return
            self._say("leakline answered %s; %d events wait", status or "nothing", len(batch))
            if self._stopping.is_set():
                return
            self._stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
            pause = min(pause * 2, BACKOFF_SECONDS_MAX)

    def _post(self, batch: list[bytes]) -> int:
        """The HTTP status, or 0 when no answer came."""
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked
            self._url,
            gzip.compress(b"[" + b",".join(batch) + b"]", 1),
            {
                "Authorization": "Bearer " + self._token,
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # see above
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, ValueError):
            return 0

    def _say(self, text: str, *values: object) -> None:
        """Log, at most once in 30 seconds."""
        if time.monotonic() - self._said_at >= 30 or not self._said_at:
            self._said_at = time.monotonic()
            log.warning(text, *values)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _only(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if value.get(name) is not None}


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


leakline = LeaklineLogger(os.environ.get("LEAKLINE_URL", ""), os.environ.get("LEAKLINE_TOKEN", ""))
flush_before_the_end(leakline)
