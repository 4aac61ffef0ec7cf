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


GATEWAYS = """
[[response.gateways]]
name = "EU-prod"
url = "https://gateway.example.com"
[[response.gateways]]
name = "us"
url = "https://us.example.com"
secret = "in the file"
"""


def test_a_gateways_secret_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "leakline.toml"
    file.write_text(GATEWAYS)
    assert mistakes(file) == ["response.gateways.0.secret: is needed"]
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__EU_PROD", "one")
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__US", "two")
    secrets = [each.secret.get_secret_value() for each in Config.load(file).response.gateways]
    assert secrets == ["one", "two"]


def test_a_secret_of_no_gateway_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "leakline.toml"
    file.write_text(GATEWAYS)
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__EU_PROD", "one")
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__EU", "sekrit")
    (line,) = mistakes(file)
    assert line.startswith("response.gateways: none is called eu, ")
    assert "sekrit" not in line


@pytest.mark.parametrize("gateways", ["3", "[3]", '[{name = 3, secret = "s"}]', '"text"'])
def test_gateways_that_are_none(tmp_path: Path, gateways: str) -> None:
    file = tmp_path / "leakline.toml"
    file.write_text(f'[response]\ngateways = {gateways}\ngateway_secrets = {{a = "sekrit"}}\n')
    assert mistakes(file)[0].startswith("response.gateways")
    file.write_text("[response]\ngateways = []\ngateway_secrets = 3\n")
    (line,) = mistakes(file)
    assert line.startswith("response.gateway_secrets: must be a table")
