import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.serve import intake
from pipeline.serve.bodies import DamagedError, TooLargeError, inflate
from schemas.topics import MESSAGE_BYTES_MAX
from tests.support.serving import Client, Clock, MemoryLog, app_of, serving

LITELLM, EVENTS = "/v1/intake/litellm", "/v1/intake/events"
JSON = {"Authorization": "Bearer token-1", "Content-Type": "application/json"}
EVENT = {"event_id": "e1", "occurred_at": "2026-01-01T00:00:00Z", "key_id": "k1"}
SPAN = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"a","spanId":"b",'
    b'"startTimeUnixNano":"1790000000000000000","attributes":[{"key":"gen_ai.system","value":{"stringValue":"x"}},'
    b'{"key":"leakline.key.hash","value":{"stringValue":"k"}}]}]}]}]}'
)
PAYLOADS = [
    json.loads(line)["payload"]
    for line in (Path(__file__).parents[1] / "data" / "litellm.jsonl").read_text().splitlines()
]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def client(log: MemoryLog) -> AsyncIterator[Client]:
    async with serving(app_of(log)) as client:
        yield client


async def post(
    client: Client, body: bytes, path: str = EVENTS, **headers: str
) -> tuple[int, dict[str, object]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(path, data=body, headers=JSON | named) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text.startswith("{") else {"text": text}


@pytest.mark.parametrize("form", ["array", "ndjson", "single"])
async def test_the_real_payloads_arrive_without_prompts(
    client: Client, log: MemoryLog, form: str
) -> None:
    texts = [json.dumps(payload) for payload in PAYLOADS]
    bodies = {"array": [f"[{','.join(texts)}]"], "ndjson": ["\n".join(texts)], "single": texts}
    for body in bodies[form]:
        status, summary = await post(client, body.encode(), LITELLM)
        assert (status, summary["rejected"]) == (200, 0)
    assert len(log.events) == 8
    assert {body["source"] for body in log.bodies()} == {"litellm"}
    for content in (b"Hello from the mock model", b"stream please", b"Traceback", b"messages"):
        assert content not in log.everything()


async def test_native_events_get_their_source_from_the_token(
    client: Client, log: MemoryLog
) -> None:
    body = json.dumps([EVENT, EVENT | {"source": "otel", "prompt": "secret text"}]).encode()
    assert await post(client, body) == (200, {"accepted": 2, "rejected": 0, "reasons": {}})
    assert [event["source"] for event in log.bodies()] == ["gw", "otel"]
    assert b"secret text" not in log.everything()


async def test_a_mark_of_utf8_is_no_part_of_the_first_event(client: Client) -> None:
    line = json.dumps(EVENT).encode()
    for body in (line, b"[" + line + b"]", line + b"\n" + line):
        status, summary = await post(client, b"\xef\xbb\xbf" + body)
        assert (status, summary["rejected"]) == (200, 0)


async def test_a_raw_key_goes_no_further(client: Client, log: MemoryLog) -> None:
    await post(client, json.dumps(EVENT | {"key_id": "sk-planted-0123456789"}).encode())
    assert log.events[0][0].startswith("sha256:")
    assert b"planted" not in log.everything()


async def test_bad_items_become_dead_letters_and_the_rest_goes_on(
    client: Client, log: MemoryLog
) -> None:
    body = b'[%s, 17, {"event_id": "e"}]' % json.dumps(EVENT).encode()
    status, summary = await post(client, body)
    assert status == 200
    assert summary == {
        "accepted": 1,
        "rejected": 2,
        "reasons": {"missing_field": 1, "not_an_object": 1},
    }
    assert [topic for topic, _, _ in log.records] == ["dead-letters"] * 2


async def test_a_body_with_nothing_good_is_a_bad_request(client: Client, log: MemoryLog) -> None:
    assert (await post(client, b"nonsense"))[0] == 400
    assert (await post(client, b""))[0] == 400
    assert len(log.records) == 2


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("room", [0, 10, 1024])
async def test_an_event_fits_into_a_message_with_the_source_that_is_added(
    client: Client, log: MemoryLog, room: int, *, alone: bool
) -> None:
    padding = MESSAGE_BYTES_MAX - room - len(json.dumps(EVENT | {"user_agent": ""}))
    line = json.dumps(EVENT | {"user_agent": "a" * padding}).encode()
    assert len(line) == MESSAGE_BYTES_MAX - room
    status, summary = await post(
        client, line if alone else line + b"\n" + json.dumps(EVENT).encode()
    )
    taken = room == 1024
    assert (status, summary["rejected"]) == (200 if taken or not alone else 400, not taken)
    assert all(len(body) <= MESSAGE_BYTES_MAX for _, body in log.events)
    assert [json.loads(body)["reason"] for _, _, body in log.records] == ["too_large"] * (not taken)


LATE = round(Clock().now)


@pytest.mark.parametrize(
    ("time", "reason", "hint"),
    [
        (LATE * 1000, "time_in_future", "milliseconds"),
        (LATE * 10**9, "time_in_future", "milliseconds"),
        (LATE + 90_000, "time_in_future", "ahead"),
        ("2027-01-01T00:00:00Z", "time_in_future", "ahead"),
        (LATE / 1000, "time_too_old", "2010"),
        (LATE + 80_000, None, ""),  # it may be this machine's clock that is wrong
    ],
)
@pytest.mark.parametrize("form", ["ndjson", "array", "litellm", "bedrock", "openmeter", "otlp"])
async def test_a_time_that_cannot_be_meant_is_said_at_once(
    client: Client, log: MemoryLog, form: str, time: float | str, reason: str | None, hint: str
) -> None:
    good, bad = (
        {
            "ndjson": EVENT | {"occurred_at": at},
            "array": EVENT | {"occurred_at": at},
            "litellm": {"id": "a", "startTime": at, "status": "success"},
            "bedrock": {"requestId": "a", "timestamp": at, "identity": {"arn": "k"}},
            "openmeter": {"id": "a", "time": at, "subject": "k"},
            "otlp": span_at(at),
        }[form]
        for at in (LATE, time)
    )
    texts = (json.dumps(good), json.dumps(bad))
    body = ("[%s, %s]" if form == "array" else "%s\n%s") % texts
    path = EVENTS if form in {"ndjson", "array"} else f"/v1/intake/{form}"
    if form == "otlp":
        path, body = path + "/v1/traces", json.dumps({"resourceSpans": [good, bad]})
    status, summary = await post(client, body.encode(), path)
    if reason is None:
        assert (status, summary["accepted"]) == (200, 2)
        return
    assert (status, summary["accepted"], summary["reasons"]) == (200, 1, {reason: 1})
    (letter,) = [json.loads(record) for _, _, record in log.records]
    assert (letter["reason"], letter["index"]) == (reason, 1)
    assert hint in letter["detail"]


def span_at(time: float | str) -> dict[str, object]:
    at = datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time
    (group,) = json.loads(SPAN)["resourceSpans"]
    group["scopeSpans"][0]["spans"][0]["startTimeUnixNano"] = str(int(at * 10**9))
    return dict(group)


async def test_an_empty_list_is_fine(client: Client) -> None:
    assert (await post(client, b"[]"))[0] == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic token-1", "token-1", "Bearer token-1x"]
)
async def test_without_a_token_nothing_is_taken(
    client: Client, log: MemoryLog, authorization: str
) -> None:
    status, answer = await post(client, b"nonsense", Authorization=authorization)
    assert (status, answer) == (401, {"error": "a bearer token is needed"})
    assert not log.records


@pytest.mark.parametrize("token", ["token-1", "token-2"])
async def test_old_and_new_token_count_during_a_rotation(client: Client, token: str) -> None:
    assert (await post(client, b"[]", Authorization=f"bearer {token}"))[0] == 200


async def test_intake_is_closed_when_no_token_is_configured(log: MemoryLog) -> None:
    async with serving(app_of(log, serve={"tokens": {"gw": " , "}})) as client:
        assert (await post(client, b"[]", Authorization="Bearer "))[0] == 403


async def test_who_guesses_is_slowed_down(client: Client) -> None:
    statuses = [(await post(client, b"[]", Authorization="Bearer x"))[0] for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert (await post(client, b"[]"))[0] == 200


async def test_a_source_has_a_rate(log: MemoryLog) -> None:
    clock = Clock()
    async with serving(app_of(log, clock, serve={"requests_per_second_max": 2})) as client:
        statuses = [(await post(client, b"[]"))[0] for _ in range(5)]
        assert statuses == [200] * 4 + [429]
        clock.now += 1
        assert (await post(client, b"[]"))[0] == 200


@pytest.mark.parametrize("content_type", ["text/html", "application/x-www-form-urlencoded", "x"])
async def test_other_content_types(client: Client, content_type: str) -> None:
    assert (await post(client, b"[]", Content_Type=content_type))[0] == 415


async def test_a_body_is_taken_for_json_where_nobody_says_what_it_is(
    client: Client, log: MemoryLog
) -> None:
    body, headers = json.dumps(EVENT).encode(), {"Authorization": "Bearer token-1"}
    async with client.post(
        EVENTS, data=body, headers=headers, skip_auto_headers=["Content-Type"]
    ) as answer:
        assert answer.status == 200
    assert len(log.events) == 1


async def test_a_cloud_event_without_a_time_gets_that_of_its_arrival(log: MemoryLog) -> None:
    clock = Clock()
    async with serving(app_of(log, clock)) as client:
        status, _ = await post(client, b'{"id":"a","subject":"k"}', "/v1/intake/openmeter")
    assert status == 200
    assert log.bodies()[0]["occurred_at"] == clock.now


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_other_encodings(client: Client, encoding: str) -> None:
    assert (await post(client, b"[]", Content_Encoding=encoding))[0] == 415


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
async def test_compressed_bodies(
    client: Client, log: MemoryLog, encoding: str, pack: "type[bytes]"
) -> None:
    body = json.dumps(EVENT).encode()
    assert (await post(client, pack(body), Content_Encoding=encoding))[0] == 200
    assert len(log.events) == 1


async def test_a_body_has_a_limit_also_once_it_is_decompressed(log: MemoryLog) -> None:
    async with serving(app_of(log, serve={"body_bytes_max": 10_000})) as client:
        assert (await post(client, b" " * 10_001))[0] == 413
        bomb = gzip.compress(b" " * 10_001)
        assert len(bomb) < 100
        assert (await post(client, bomb, Content_Encoding="gzip"))[0] == 413
        fits = gzip.compress(b"[%s]" % (b" " * 9_998))
        assert (await post(client, fits, Content_Encoding="gzip"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/intake/nothing", b"", 404),
        ("PUT", "/v1/intake/events", b"", 405),
        ("POST", "/v1/intake/events", b" " * 10_001, 413),
        ("POST", "/v1/intake/events", gzip.compress(b" " * 10_001), 413),
    ],
    ids=["no such path", "no such method", "too long", "too long when decompressed"],
)
async def test_every_refusal_is_json(
    log: MemoryLog, method: str, path: str, body: bytes, status: int
) -> None:
    headers = JSON | ({"Content-Encoding": "gzip"} if body[:1] == b"\x1f" else {})
    async with (
        serving(app_of(log, serve={"body_bytes_max": 10_000})) as client,
        client.request(method, path, data=body, headers=headers) as answer,
    ):
        assert answer.status == status
        assert list(await answer.json()) == ["error"]
        assert (status == 405) == ("Allow" in answer.headers)


async def test_a_body_cut_short_is_not_taken_in_part(client: Client, log: MemoryLog) -> None:
    lines = [json.dumps(EVENT | {"event_id": f"e{number}"}) for number in range(2000)]
    cut = gzip.compress("\n".join(lines).encode())[:-2000]
    assert (await post(client, cut, Content_Encoding="gzip"))[0] == 400
    assert not log.events


@pytest.mark.parametrize(
    "failure",
    [KafkaConnectionError("x"), KafkaTimeoutError(), ConnectionResetError(), TimeoutError()],
)
async def test_a_gateway_comes_again_when_the_log_is_away(
    client: Client, log: MemoryLog, failure: Exception
) -> None:
    log.failure = failure
    async with client.post(EVENTS, data=json.dumps(EVENT), headers=JSON) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    log.failure = None
    assert (await post(client, json.dumps(EVENT).encode()))[0] == 200


async def test_what_nobody_thought_of_is_counted_too(client: Client, log: MemoryLog) -> None:
    log.failure = AssertionError("a mistake of ours")
    async with client.post(EVENTS, data=json.dumps(EVENT), headers=JSON) as answer:
        assert answer.status == 500
    async with client.get("/metrics") as answer:
        assert 'leakline_intake_refused_total{status="500"} 1.0' in await answer.text()


async def test_a_dead_letter_needs_its_acknowledgement_too(client: Client, log: MemoryLog) -> None:
    log.failure = KafkaConnectionError("x")
    assert (await post(client, b"nonsense"))[0] == 503


async def test_bodies_in_memory_are_bounded(
    client: Client, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BODIES_MAX", 2)
    gate = asyncio.Event()

    async def slow(events: list[tuple[str, bytes]]) -> None:
        log.events += events
        await gate.wait()

    monkeypatch.setattr(log, "send_packed", slow)
    body = json.dumps(EVENT).encode()
    held = [asyncio.create_task(post(client, body)) for _ in range(2)]
    while len(log.events) < 2:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)
    assert (await post(client, body))[0] == 503
    gate.set()
    assert [status for status, _ in await asyncio.gather(*held)] == [200, 200]


async def test_a_large_body_is_taken(client: Client, log: MemoryLog) -> None:
    lines = [json.dumps(EVENT | {"event_id": f"e{number}"}) for number in range(5000)]
    assert (await post(client, "\n".join(lines).encode()))[1]["accepted"] == 5000
    assert len(log.events) == 5000


async def test_requests_are_counted(client: Client) -> None:
    await post(client, b"[%s, 17]" % json.dumps(EVENT).encode())
    await post(client, b"[]", Authorization="Bearer x")
    async with client.get("/metrics") as answer:
        text = await answer.text()
    for line in (
        'leakline_intake_events_total{format="events",source="gw"} 1.0',
        'leakline_intake_rejected_total{format="events",reason="not_an_object"} 1.0',
        'leakline_intake_refused_total{status="401"} 1.0',
    ):
        assert line in text


async def test_long_headers_are_refused(client: Client) -> None:
    async with client.get("/healthz", headers={"X-Long": "x" * 9000}) as answer:
        assert answer.status == 400


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bodies=st.lists(
        st.tuples(st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate"])), max_size=5
    )
)
def test_no_body_is_a_server_error(bodies: list[tuple[bytes, str]]) -> None:
    async def run() -> None:
        async with serving(app_of(MemoryLog())) as client:
            for path in (LITELLM, EVENTS):
                for body, encoding in bodies:
                    status, _ = await post(client, body, path, Content_Encoding=encoding)
                    assert status in (200, 400)

    asyncio.run(run())


@given(st.binary(max_size=500), st.sampled_from(["gzip", "deflate"]), st.integers(0, 600))
def test_inflating_gives_the_body_back_or_refuses(body: bytes, encoding: str, limit: int) -> None:
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    if len(body) <= limit:
        assert inflate(packed, encoding, limit) == body
    else:
        with pytest.raises(TooLargeError):
            inflate(packed, encoding, limit)
    with pytest.raises(DamagedError):
        inflate(packed[:-1], encoding, 1000)


def test_gzip_bodies_of_several_members() -> None:
    member = gzip.compress(b"a")
    assert inflate(member * 3, "gzip", 100) == b"aaa"
    with pytest.raises(DamagedError):
        inflate(member * 100, "gzip", 1000)
    with pytest.raises(TooLargeError):
        inflate(member * 3, "gzip", 2)


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        (
            "/v1/intake/openmeter",
            b'{"id":"a","time":1790000000,"subject":"k"}',
            "application/cloudevents+json",
        ),
        (
            "/v1/intake/bedrock",
            b'{"requestId":"a","timestamp":1790000000,"identity":{"arn":"k"}}',
            "application/json",
        ),
        (
            "/v1/intake/otlp/v1/traces",
            SPAN,
            "application/json",
        ),
    ],
)
async def test_other_formats_have_their_endpoints(
    client: Client, log: MemoryLog, path: str, body: bytes, content_type: str
) -> None:
    assert (await post(client, body, path, Content_Type=content_type))[0] == 200
    assert [key for key, _ in log.events] == ["k"]
