import asyncio
import hmac
import importlib.util
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from pipeline.intake import litellm
from schemas.redaction import MARK
from tests.intake.test_litellm import IMAGE, PAYLOADS, event
from tests.support.serving import MemoryLog, app_of, serving

FILE = Path(__file__).parents[2] / "deploy" / "litellm" / "leakline_logger.py"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The file, imported as a proxy would, with LiteLLM's base class in place."""
    litellm, integrations = ModuleType("litellm"), ModuleType("litellm.integrations")
    base = ModuleType("litellm.integrations.custom_logger")
    base.CustomLogger = type("CustomLogger", (), {})  # type: ignore[attr-defined]  # a stand-in
    for stub in (litellm, integrations, base):
        monkeypatch.setitem(sys.modules, stub.__name__, stub)
    monkeypatch.setenv("LEAKLINE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LEAKLINE_TOKEN", "token-1")
    spec = importlib.util.spec_from_file_location("leakline_logger", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    handler = signal.getsignal(signal.SIGTERM)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BATCH_SECONDS", 0.05)
    yield module
    module.leakline.flush(0)
    signal.signal(signal.SIGTERM, handler)


def calls(count: int) -> list[dict[str, Any]]:
    return [
        {"standard_logging_object": PAYLOADS["success"] | {"id": f"chatcmpl-{number}"}}
        for number in range(count)
    ]


async def until_empty(logger: Any) -> None:  # noqa: ANN401 - of a module that is loaded from a file
    await asyncio.to_thread(logger.flush, 20)


async def test_every_event_arrives(module: ModuleType) -> None:
    log = MemoryLog()
    async with serving(app_of(log)) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        for number, call in enumerate(calls(1200)):
            hook = logger.async_log_failure_event if number % 2 else logger.async_log_success_event
            await hook(call, None, None, None)
        await until_empty(logger)
    assert len({body["event_id"] for body in log.bodies()}) == 1200
    assert logger.dropped == 0


async def test_events_wait_while_leakline_is_away(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    log.failure = ConnectionResetError()
    refused = threading.Event()
    async with serving(app_of(log)) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        monkeypatch.setattr(logger, "_say", lambda *_: refused.set())
        for call in calls(10):
            logger.take(call)
        assert await asyncio.to_thread(refused.wait, 10)
        log.failure = None
        while len(log.events) < 10:  # noqa: ASYNC110 - the thread has no event for it
            await asyncio.sleep(0.02)
        await until_empty(logger)
    assert len(log.events) == 10


@pytest.mark.parametrize("status", [302, 200, 400])
async def test_what_is_before_leakline_gets_no_token_and_takes_nothing(
    module: ModuleType, status: int
) -> None:
    log = MemoryLog()
    elsewhere: list[str | None] = []
    refused = asyncio.Event()

    async def page(request: web.Request) -> web.Response:
        elsewhere.append(request.headers.get("Authorization"))
        return web.Response(text="please sign in")

    @web.middleware
    async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/login" or refused.is_set():
            return await handler(request)
        refused.set()
        headers = {"Location": str(request.url.with_host("localhost").with_path("/login"))}
        return web.Response(status=status, text="please sign in", headers=headers)

    app = app_of(log)
    app.middlewares.append(front)
    app.router.add_get("/login", page)
    async with serving(app) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        for call in calls(1):
            logger.take(call)
        async with asyncio.timeout(10):
            await refused.wait()
            while not log.events:  # noqa: ASYNC110 - the thread has no event for it
                await asyncio.sleep(0.02)
    assert elsewhere == []
    assert (logger.dropped, logger.refused) == (0, 0)


async def test_a_batch_that_is_too_large_goes_in_parts(module: ModuleType) -> None:
    log = MemoryLog()
    async with serving(app_of(log, serve={"body_bytes_max": 5000})) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        for call in calls(40):
            logger.take(call)
        await until_empty(logger)
    assert len(log.events) == 40
    assert logger.refused == 0


async def test_an_event_that_is_too_large_alone_is_counted(
    module: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    log = MemoryLog()
    async with serving(app_of(log, serve={"body_bytes_max": 1100})) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        logger.take({"standard_logging_object": PAYLOADS["success"] | {"user_agent": "é" * 256}})
        await until_empty(logger)
    assert (log.events, logger.refused) == ([], 1)
    assert "refused by leakline so far: it answered 413" in caplog.text


async def test_what_cannot_be_read_is_counted_and_the_others_arrive(
    module: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    log = MemoryLog()
    async with serving(app_of(log)) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        for call in (*calls(2), {"standard_logging_object": {"status": "success"}}):
            logger.take(call)
        await until_empty(logger)
    assert (len(log.events), len(log.records), logger.refused) == (2, 1, 1)
    assert "1 events were refused by leakline so far" in caplog.text


async def test_a_batch_that_is_refused_whole_goes_in_halves(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[bytes]] = []

    def post(batch: list[bytes]) -> tuple[int, dict[str, Any]]:
        sent.append(batch)
        if b"bad" in batch:
            return 400, {"error": "the compressed body is cut short"}
        return 200, {"rejected": 0}

    logger = module.LeaklineLogger("http://127.0.0.1:9", "t")
    monkeypatch.setattr(logger, "_post", post)
    logger._deliver([b"1", b"2", b"bad", b"3"])
    assert sorted(event for batch in sent if b"bad" not in batch for event in batch) == [
        *(b"1", b"2", b"3")
    ]
    assert logger.refused == 1
    sent.clear()
    monkeypatch.setattr(logger, "_post", lambda batch: (400, {"rejected": len(batch)}))
    logger._deliver([b"bad", b"bad"])  # leakline has read them, and kept what it could
    assert logger.refused == 3


HUGE = "x" * 17_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"request_tags": [float("nan"), "a", None, {"b": 1}, "\ud800"]},
        {"request_tags": float("nan"), "response_cost": float("inf")},
        {"end_user": HUGE, "user_agent": HUGE, "model": HUGE},
        {"request_tags": [HUGE] * 100},
        {"request_tags": list(map(str, range(1_000_000)))},
        {"prompt_tokens": 10**5000, "custom_llm_provider": object()},
        {"metadata": PAYLOADS["success"]["metadata"] | {"usage_object": {"a": HUGE, HUGE: [HUGE]}}},
        {"metadata": PAYLOADS["success"]["metadata"] | {"user_api_key_end_user_id": HUGE}},
    ],
    ids=["items", "fields", "texts", "tags", "many tags", "others", "usage", "metadata"],
)
async def test_no_client_keeps_its_own_event_or_another_from_leakline(
    module: ModuleType, changes: dict[str, Any]
) -> None:
    log = MemoryLog()
    async with serving(app_of(log)) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        logger.take({"standard_logging_object": PAYLOADS["success"] | changes})
        logger.take({"standard_logging_object": PAYLOADS["failure"]})
        await until_empty(logger)
    assert (len(log.events), log.records, logger.dropped) == (2, [], 0)
    assert len(log.everything()) < 20_000


def test_of_a_finished_batch_only_the_first_look_is_billed(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCHES_MAX", 2)
    logger = module.LeaklineLogger("http://127.0.0.1:9", "t")
    logger._run = lambda: None
    look = PAYLOADS["success"] | {"call_type": "aretrieve_batch", "response_cost": 6.25}
    running = look | {"prompt_tokens": 0, "completion_tokens": 0, "response_cost": 0.0}
    for number, (payload, batch) in enumerate(
        (
            *((running, "a"), (look, "a"), (look, "a"), (look, "b"), (look, "a")),
            *((look, "c"), (look, "a")),  # the third batch: the first one is forgotten
        )
    ):
        own = {"id": batch, "litellm_call_id": f"call-{number}"}
        logger.take({"standard_logging_object": payload | own})
    found = [litellm.convert(logger._queue.get_nowait()) for _ in range(7)]
    assert [each.cost_usd for each in found] == [0, 6.25, 0, 6.25, 0, 6.25, 6.25]
    assert [each.input_tokens for each in found] == [0, 10, 0, 10, 0, 10, 10]
    assert len({each.event_id for each in found}) == 6


def test_what_litellm_asks_for_itself_is_no_event(module: ModuleType) -> None:
    module.leakline._run = lambda: None
    own = PAYLOADS["success"] | {"call_type": "afile_content"}
    module.leakline.take({"standard_logging_object": own | {"metadata": {}}})
    assert module.leakline._queue.empty()
    module.leakline.take({"standard_logging_object": own})
    assert not module.leakline._queue.empty()


async def test_a_batch_that_was_dropped_is_billed_at_the_next_look(module: ModuleType) -> None:
    logger = module.LeaklineLogger("http://127.0.0.1:9", "t", queue_bytes_max=1)
    logger._run = lambda: None
    look = PAYLOADS["success"] | {"call_type": "aretrieve_batch", "response_cost": 6.25}
    logger.take(calls(1)[0])
    logger.take({"standard_logging_object": look})
    logger._queue.get_nowait()
    logger.take({"standard_logging_object": look})
    assert logger.dropped == 1
    assert litellm.convert(logger._queue.get_nowait()).cost_usd == 6.25


@pytest.mark.parametrize("start", [200, 240, 255])
def test_a_secret_where_leakline_cuts_is_still_seen(module: ModuleType, start: int) -> None:
    there = "a" * (start - 1) + " sk-proj-" + "aB3_" * 12
    sent = module.stripped(PAYLOADS["success"] | {"user_agent": there})
    found = litellm.convert(json.dumps(sent).encode())
    assert found.user_agent is not None
    assert MARK.startswith(found.user_agent[start:]) or found.user_agent.endswith(MARK)


def test_a_price_that_litellm_does_not_know_is_still_unknown(module: ModuleType) -> None:
    why = {"error_str": "No pricing information for planted prompt"}
    for info, cost_usd in ((why, None), (None, 0)):
        changes = IMAGE | {"response_cost_failure_debug_info": info}
        left = module.stripped(PAYLOADS["success"] | changes)
        assert "planted" not in json.dumps(left)
        assert litellm.convert(json.dumps(left).encode()).cost_usd == cost_usd


@pytest.mark.parametrize("name", ["team_id", "team_alias", "user_api_key_team_alias"])
async def test_environment_and_team_arrive(module: ModuleType, name: str) -> None:
    log = MemoryLog()
    about = {"environment": "staging", "note": "planted secret"}
    metadata = PAYLOADS["success"]["metadata"] | {"user_api_key_team_id": None, name: "core"}
    metadata |= {"user_api_key_auth_metadata": about}
    async with serving(app_of(log)) as client:
        logger = module.LeaklineLogger(str(client.make_url("/")), "token-1")
        logger.take({"standard_logging_object": PAYLOADS["success"] | {"metadata": metadata}})
        await until_empty(logger)
    (found,) = log.bodies()
    assert (found["environment"], found["team"]) == ("staging", "core")
    assert "planted" not in json.dumps(module.stripped({"metadata": metadata}))


def test_an_address_and_an_id_keep_what_tells_them_apart(module: ModuleType) -> None:
    metadata = PAYLOADS["success"]["metadata"] | {"user_api_key_hash": "a-key-of-its-own-" * 50}
    changes = {"requester_ip_address": "1.1.1.1, " * 99 + "203.0.113.9", "metadata": metadata}
    left = module.stripped(PAYLOADS["success"] | changes)
    assert litellm.convert(json.dumps(left).encode()) == event(**changes)
    ids = {module.stripped({"id": "x" * 300 + end})["id"] for end in "ab"}
    assert len(ids) == 2


SALT = "a salt of sixteen or more"


def whose(payload: dict[str, Any]) -> dict[str, Any]:
    """A payload with a person in every place that has one."""
    about = {"end_user": "alice", "requester_ip_address": "2001:db8:1:2::3, 203.0.113.9"}
    metadata = payload["metadata"] | {
        "user_api_key_end_user_id": "alice",
        "requester_ip_address": about["requester_ip_address"],
    }
    return payload | about | {"metadata": metadata}


async def test_pseudonyms_and_ranges_alone_leave_the_proxy(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    async with serving(app_of(log)) as client:
        monkeypatch.setenv("LEAKLINE_URL", str(client.make_url("/")))
        monkeypatch.setenv("LEAKLINE_PSEUDONYM_SALT", SALT)
        monkeypatch.setenv("LEAKLINE_CUT_ADDRESSES", "1")
        logger = module.from_environment()
        sent: list[bytes] = []
        post = logger._post

        def noted(batch: list[bytes]) -> object:
            sent.extend(batch)
            return post(batch)

        monkeypatch.setattr(logger, "_post", noted)
        for payload in PAYLOADS.values():
            logger.take({"standard_logging_object": whose(payload)})
        await until_empty(logger)
    assert len(sent) == len(PAYLOADS)
    assert not [each for each in (b"alice", b"203.0.113.9", b"1:2::3") if each in b"".join(sent)]
    pseudonym = hmac.new(SALT.encode(), b"alice", "sha256").hexdigest()[:32]
    assert {body["end_user"] for body in log.bodies()} == {pseudonym}
    assert {body["client_ip"] for body in log.bodies()} == {"2001:db8:1::, 203.0.113.0"}


def test_pseudonyms_and_ranges_tell_people_and_places_apart(module: ModuleType) -> None:
    privacy, other = module.Privacy(SALT), module.Privacy(SALT + "x")
    assert len({made.pseudonym(name) for made in (privacy, other) for name in ("a", "b")}) == 4
    assert privacy.pseudonym("a") == module.Privacy(SALT).pseudonym("a")
    for given, cut in (
        ("198.51.100.77:4711", "198.51.100.0"),
        ('"[2001:db8:1:2::3]:443"', "2001:db8:1::"),
        ("::ffff:198.51.100.77", "198.51.100.0"),
        ("64:ff9b::c633:644d", "198.51.100.0"),
        ("fe80::1%eth0", "fe80::"),
        ("alice, 198.51.100.77", ", 198.51.100.0"),
        ("alice", ""),
    ):
        assert module.cut_addresses(given) == cut


def test_without_the_settings_nothing_is_changed(module: ModuleType) -> None:
    module.leakline._run = lambda: None
    module.leakline.take({"standard_logging_object": whose(PAYLOADS["success"])})
    sent = json.loads(module.leakline._queue.get_nowait())
    assert (sent["end_user"], sent["requester_ip_address"][-11:]) == ("alice", "203.0.113.9")


@pytest.mark.parametrize(("salt", "cut"), [("short", ""), ("", "yes"), ("", "24")])
def test_a_setting_that_would_protect_nobody_is_said_at_start(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, salt: str, cut: str
) -> None:
    monkeypatch.setenv("LEAKLINE_PSEUDONYM_SALT", salt)
    monkeypatch.setenv("LEAKLINE_CUT_ADDRESSES", cut)
    with pytest.raises(ValueError, match=r"LEAKLINE_(PSEUDONYM_SALT|CUT_ADDRESSES)"):
        module.from_environment()


TERMINATED = """
import json, os, signal, sys, time, types
for name in ("litellm", "litellm.integrations", "litellm.integrations.custom_logger"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[name].CustomLogger = object
import leakline_logger
leakline_logger.leakline.take({"standard_logging_object": json.loads(sys.argv[1])})
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


async def test_a_terminated_proxy_sends_what_it_has_and_ends(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(app_of(log)) as client:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", TERMINATED, json.dumps(PAYLOADS["success"])),
            cwd=tmp_path,
            env={
                "PYTHONPATH": str(FILE.parent),
                "LEAKLINE_URL": str(client.make_url("/")),
                "LEAKLINE_TOKEN": "token-1",
            },
        )
        assert await process.wait() == -signal.SIGTERM
    assert len(log.events) == 1


def test_a_full_queue_drops_and_counts_and_never_waits(module: ModuleType) -> None:
    size = len(json.dumps(module.stripped(PAYLOADS["success"])))
    logger = module.LeaklineLogger("http://127.0.0.1:9", "t", queue_bytes_max=3 * size)
    logger._run = lambda: None
    for call in calls(8):
        logger.take(call)
    assert 3 <= 8 - logger.dropped <= 5


@pytest.mark.parametrize(
    "call", [{}, {"standard_logging_object": None}, {"standard_logging_object": 5}]
)
def test_nothing_that_litellm_says_raises(module: ModuleType, call: dict[str, Any]) -> None:
    module.leakline._run = lambda: None
    module.leakline.take(call)


@pytest.mark.parametrize("case", sorted(PAYLOADS))
def test_prompts_stay_and_the_event_is_the_same(module: ModuleType, case: str) -> None:
    payload = PAYLOADS[case] | {"messages": "planted prompt", "error_str": "planted prompt"}
    left = module.stripped(payload)
    assert "planted" not in json.dumps(left)
    assert len(json.dumps(left)) < 2000
    assert event(case, **dict.fromkeys(set(payload) - set(left)), **left) == event(case)


@pytest.mark.parametrize(
    "message", ["Team=t-1 is blocked. Update via x", "No api key passed in.", "No DB Connected."]
)
def test_a_refusal_of_litellm_is_still_one(module: ModuleType, message: str) -> None:
    failure = PAYLOADS["failure_blocked_key"]
    error = failure["error_information"] | {"error_message": message}
    left = module.stripped(failure | {"error_information": error})
    expected = event("failure_blocked_key", error_information=error)
    assert litellm.convert(json.dumps(left).encode()) == expected
    assert "t-1" not in json.dumps(left)


@pytest.mark.parametrize(("url", "token"), [("", "t"), ("ftp://x", "t"), ("http://x", "")])
def test_a_missing_setting_is_said_at_start(module: ModuleType, url: str, token: str) -> None:
    with pytest.raises(ValueError, match="LEAKLINE_URL and LEAKLINE_TOKEN"):
        module.LeaklineLogger(url, token)
