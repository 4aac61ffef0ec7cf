"""The configuration: what the environment may say, and how mistakes in it are named."""

import os
import re
from pathlib import Path

import pytest

from pipeline.config import Config, ConfigError

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"\bLEAKLINE_\w+")


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


@pytest.mark.parametrize("text", ["", " ", ","])
def test_a_list_of_nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for name in ("SLACK__ALLOWED_USERS", "SOURCES__TRUSTED_PROXIES"):
        monkeypatch.setenv(f"LEAKLINE_{name}", text)
    config = Config.load()
    assert config.slack.allowed_users == config.sources.trusted_proxies == []


def test_tables_of_nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVE__TOKENS", "RESPONSE__GATEWAYS", "RESPONSE__GATEWAY_SECRETS"):
        monkeypatch.setenv(f"LEAKLINE_{name}", "")
    config = Config.load()
    assert (config.serve.tokens, config.response.gateways) == ({}, [])


def test_a_list_that_is_none_is_told_how_the_environment_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEAKLINE_SLACK__ALLOWED_USERS", '["U1"')
    assert "separated by commas" in mistakes()[0]


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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LEAKLINE_SLACK_TOKEN", "LEAKLINE_SLACK__TOKEN"),
        ("LEAKLINE_KAFKA_BROKERS", "LEAKLINE_KAFKA__BROKERS"),
        ("LEAKLINE_KAFAK__BROKERS", "LEAKLINE_KAFKA__BROKERS"),
        ("LEAKLINE_METRICSPORT", "LEAKLINE_METRICS_PORT"),
        ("leakline_keys__file", "LEAKLINE_KEYS"),
        ("LEAKLINE_ELSEWHERE", None),
    ],
)
def test_a_variable_of_no_setting_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str | None
) -> None:
    monkeypatch.setenv(name, "sekrit")
    monkeypatch.setenv("LEAKLINE_KAFKA__PARTITIONS", "eight")
    line, other = mistakes()
    hint = f"; did you mean {meant}?" if meant else ""
    assert line == f"{name}: there is no such setting{hint}"
    assert other == "kafka.partitions: must be a whole number"


def test_what_others_put_into_the_environment_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commands' own variables, those of the files for gateways, and Kubernetes'."""
    files = (ROOT / "deploy" / "litellm").iterdir()
    used = {name for file in files if file.is_file() for name in NAME.findall(file.read_text())}
    assert used >= {"LEAKLINE_URL", "LEAKLINE_KEYS_FILE"}
    for name in used | {"LEAKLINE_CONFIG", "LEAKLINE_DEBUG", "LEAKLINE_INTAKE_SERVICE_PORT_HTTP"}:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LEAKLINE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("LEAKLINE_PORT", "tcp://10.0.0.1:8787")
    monkeypatch.setenv("LEAKLINE_PORT_8787_TCP_ADDR", "10.0.0.1")
    Config.load()


def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As where a template was filled from nothing; the environment wins with it, too."""
    file = tmp_path / "leakline.toml"
    file.write_text('[slack]\ntoken = "xoxb-1"\nsigning_secret = ""\n[store]\nssl_cafile = " "\n')
    for name in ("SLACK__TOKEN", "SERVE__CONSOLE_TOKEN", "KEYS", "METRICS_PORT", "STORE__HOST"):
        monkeypatch.setenv(f"LEAKLINE_{name}", "")
    config = Config.load(file)
    empty: list[object] = [
        config.slack.token,
        config.slack.signing_secret,
        config.serve.console_token,
    ]
    empty += [config.keys, config.metrics_port, config.store.host, config.store.ssl_cafile]
    assert not any(each is not None for each in empty)


def test_what_is_needed_is_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKLINE_KAFKA__PARTITIONS", "")
    assert mistakes() == ["kafka.partitions: must be a whole number"]


def test_a_gateways_secret_is_not_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "leakline.toml"
    file.write_text(GATEWAYS)
    monkeypatch.setenv("LEAKLINE_RESPONSE__GATEWAY_SECRETS__EU_PROD", "")
    assert mistakes(file) == ["response.gateways.0.secret: must not be empty"]


@pytest.mark.parametrize("text", ["inf", "nan", "-inf"])
@pytest.mark.parametrize(
    "key",
    [
        "kafka.checkpoint_seconds",
        "store.timeout_seconds",
        "detection.pages_per_1000_key_weeks",
        "serve.requests_per_second_max",
    ],
)
def test_numbers_end(monkeypatch: pytest.MonkeyPatch, key: str, text: str) -> None:
    monkeypatch.setenv(f"LEAKLINE_{key.replace('.', '__').upper()}", text)
    assert mistakes()[0].startswith(f"{key}: must be")


def test_a_checkpoint_is_made_before_its_transaction_times_out(tmp_path: Path) -> None:
    file = tmp_path / "leakline.toml"
    file.write_text("[kafka]\ncheckpoint_seconds = 31\n")
    assert mistakes(file) == ["kafka.checkpoint_seconds: must be 30 or less"]


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "leakline.toml"
    file.write_bytes('[kafka]\ntopic_prefix = "é"\n'.encode("utf-8-sig"))
    assert Config.load(file).kafka.topic_prefix == "é"


def test_a_providers_key_is_one_line_and_never_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKLINE_POLL__OPENAI_ADMIN_KEY", " sk-admin-planted\n")
    config = Config.load()
    assert config.poll.openai_admin_key is not None
    assert config.poll.openai_admin_key.get_secret_value() == "sk-admin-planted"
    assert "planted" not in f"{config!r} {config}"
    for wrong in ("sk-planted\nX-Header: 1", "sk-plantéd"):
        monkeypatch.setenv("LEAKLINE_POLL__OPENAI_ADMIN_KEY", wrong)
        assert mistakes() == [
            "poll.openai_admin_key: must be a key as the provider shows it, in one line"
        ]


@pytest.mark.parametrize(
    "url",
    ["http://api.openai.com/v1", "ftp://127.0.0.1", "api.openai.com", "https://", "https://["],
)
def test_a_providers_key_is_sent_over_tls(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LEAKLINE_POLL__OPENAI_URL", url)
    (line,) = mistakes()
    assert line.startswith("poll.openai_url: ")


@pytest.mark.parametrize("url", ["https://proxy.internal/openai/", "http://localhost:8080"])
def test_a_providers_address_may_be_another(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LEAKLINE_POLL__OPENAI_URL", url)
    assert Config.load().poll.openai_url == url.rstrip("/")


@pytest.mark.parametrize("seconds", ["0", "59", "3601", "often"])
def test_providers_are_asked_neither_all_the_time_nor_seldom(
    monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("LEAKLINE_POLL__INTERVAL_SECONDS", seconds)
    assert mistakes()[0].startswith("poll.interval_seconds: must be")
