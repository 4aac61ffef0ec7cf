import base64

import pytest
from pydantic import SecretStr

from pipeline.serve import guard
from pipeline.serve.guard import ConsoleGuard, Rates, Tokens
from tests.support.serving import Clock

TOKEN = SecretStr("hunter22")


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "allowed"),
    [
        (basic("hunter22"), True),
        ("Bearer hunter22", True),
        (basic("wrong"), False),
        (basic(""), False),
        ("Basic ???", False),
        ("Basic /w==", False),
        ("", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_configured_token_is_always_needed(
    authorization: str | None, host: str, *, allowed: bool
) -> None:
    headers = {"Host": "localhost:8787", "Via": "1.1 proxy"}
    if authorization is not None:
        headers["Authorization"] = authorization
    assert ConsoleGuard(TOKEN, host).allows(headers) is allowed


@pytest.mark.parametrize(
    ("host", "header", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8787", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "[::1]:8787", True),
        ("127.0.0.1", "evil.example:8787", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "localhost:8787", False),
        ("::", "localhost", False),
        ("leakline.internal", "localhost", False),
    ],
)
def test_without_a_token_this_machine_alone_may_look(
    host: str, header: str, *, allowed: bool
) -> None:
    for token in (None, SecretStr("")):
        assert ConsoleGuard(token, host).allows({"Host": header}) is allowed


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Real-IP", "Via"]
)
def test_without_a_token_a_proxy_may_not_look(header: str) -> None:
    headers = {"Host": "127.0.0.1:8787", header: "203.0.113.7"}
    assert not ConsoleGuard(None, "127.0.0.1").allows(headers)


def test_tokens_know_their_source() -> None:
    tokens = Tokens({"a": SecretStr("one,two"), "b": SecretStr("three"), "c": SecretStr("")})
    found = [tokens.source(f"Bearer {text}") for text in ("one", "two", "three", "", "one,two")]
    assert found == ["a", "a", "b", None, None]
    assert "one" not in repr(vars(tokens))


def test_callers_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CALLERS_MAX", 10)
    rates = Rates(1, 1, Clock())
    for number in range(100):
        assert rates.allows(str(number))
        assert len(rates._buckets) <= 10


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    clock = Clock()
    rates = Rates(1, 1, clock)
    assert rates.allows("a")
    clock.now -= 100
    assert not rates.allows("a")
