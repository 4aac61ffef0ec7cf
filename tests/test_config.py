"""The configuration: what the environment may say, and how mistakes in it are named."""

import os
from pathlib import Path

import pytest

from pipeline.config import Config, ConfigError



@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LEAKLINE_")]:
        monkeypatch.delenv(name)


def mistakes(file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        Config.load(file)
    return str(raised.value).splitlines()


@pytest.mark.parametrize("text", ["U1,U2", " U1 , U2,", '["U1", "U2"]'])
def test_a_list_of_texts_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LEAKLINE_SLACK__ALLOWED_USERS", text)
    monkeypatch.setenv("LEAKLINE_SOURCES__TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.0/8")
    config = Config.load()
    assert config.slack.allowed_users == ["U1", "U2"]
    assert config.sources.trusted_proxies == ["10.0.0.0/8", "127.0.0.0/8"]


def test_a_table_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKLINE_SERVE__TOKENS__LITELLM", "one")
    monkeypatch.setenv("LEAKLINE_SLACK", '{"channel": "C1"}')
    config = Config.load()
    assert config.serve.tokens["litellm"].get_secret_value() == "one"
    assert config.slack.channel == "C1"


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("LEAKLINE_SERVE__TOKENS", '{"a": sekrit}', "serve.tokens"),
        ("LEAKLINE_RESPONSE__GATEWAYS", "sekrit", "response.gateways"),
        ("LEAKLINE_KAFKA", '{"sekrit":', "kafka"),
        ("LEAKLINE_SLACK__ALLOWED_USERS", '["sekrit"', "slack.allowed_users"),
    ],
)
def test_what_is_no_json_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, key: str
) -> None:
    monkeypatch.setenv(name, text)
    (line,) = mistakes()
    assert line.startswith(f"{key}: must be a ")
    assert "JSON" in line
    assert "sekrit" not in line
