import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.cli import app as cli
from pipeline.cli import problems
from pipeline.config import Config, ConfigError
from pipeline.logs import DEBUG_VARIABLE
from pipeline.reconcile.stage import ReconcileStage
from tests.cli.conftest import Leakline

HEAVY = ("aiohttp", "aiokafka", "chdb", "clickhouse_connect", "faust", "numpy", "pydantic", "river")


def _commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in get_command(cli.app).commands.items():  # type: ignore[attr-defined]  # a group
        inner = getattr(command, "commands", None)
        found += [(name, each) for each in inner] if inner else [(name,)]
    return found


COMMANDS = _commands()


def test_help_lists_every_command(leakline: Leakline) -> None:
    outcome = leakline("--help")
    assert outcome.code == 0
    for name, *_ in COMMANDS:
        assert name in outcome.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_commands_help_teaches_by_example(leakline: Leakline, command: tuple[str, ...]) -> None:
    outcome = leakline(*command, "--help")
    assert outcome.code == 0
    if command != ("version",):
        assert "Example" in outcome.out
        assert f"leakline {' '.join(command)}" in outcome.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pipeline.cli.app import app; "
        "app(['--help'], standalone_mode=False); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_the_help_is_shown(leakline: Leakline) -> None:
    outcome = leakline()
    assert outcome.code == 2
    assert "demo" in outcome.out


def test_version(leakline: Leakline) -> None:
    assert leakline("version").out == leakline("--version").out
    assert re.fullmatch(r"leakline 0\.\S+ \((pure|compiled)\)\s*", leakline("version").out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("replay",),
        ("replay", "--events", "nowhere.jsonl"),
        ("replay", "--nonsense"),
        ("query", "top-keys", "--store", "nowhere"),
        ("run", "--role", "detect,paint"),
        ("run", "--role", ","),
        ("simulate", "--events", "-", "--preset", "huge"),
        ("simulate", "--events", "-", "--seed", "-1"),
        ("simulate", "--events", "-", "--start", "1990-01-01"),
        ("simulate", "--events", "-", "--start", "2009-12-31"),
        ("simulate", "--events", "-", "--start", "9999-12-31"),
        ("simulate", "--events", "-", "--start", "2099-12-31", "--days", "2"),
        ("dead-letters", "retry"),
        ("dead-letters", "drop", "usage-events/3"),
        ("check-config", "--config", "nowhere.toml"),
    ],
    ids=" ".join,
)
def test_a_usage_error_is_one_line_and_two(leakline: Leakline, arguments: tuple[str, ...]) -> None:
    outcome = leakline(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("leakline: ")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("replay --events {a} --events {a}", "--events"),
        ("replay --events {a} --keys={a} --keys={a}", "--keys"),
        ("simulate --events {new} --seed 1 --seed 1", "--seed"),
        ("evaluate --labels {a} --events {a} --incidents {a} --incidents {a}", "--incidents"),
        ("query --sql SELECT --format csv --sql SELECT", "--sql"),
        ("dead-letters list --reason a --reason b", "--reason"),
        ("policy test --policy {a} --policy {a} --incidents {a}", "--policy"),
        ("check-config --config {a} --config {a}", "--config"),
    ],
)
def test_an_option_with_two_values_is_a_usage_error(
    leakline: Leakline, tmp_path: Path, words: str, option: str
) -> None:
    paths = {name: tmp_path / name for name in ("a", "new")}
    paths["a"].touch()
    outcome = leakline(*words.format(**paths).split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"leakline: {option}: is given 2 times, and takes one value\n"
    assert not paths["new"].exists()


def test_flags_and_lists_may_come_twice(leakline: Leakline) -> None:
    assert leakline("query", "--list", "--list", "-p", "a=1", "-p", "a=2").code == 0


@pytest.mark.parametrize("command", [(), ("replay",)])
def test_the_help_says_that_an_option_is_given_once(
    leakline: Leakline, command: tuple[str, ...]
) -> None:
    assert "given once" in " ".join(leakline(*command, "--help").out.split())


def test_every_mistake_in_a_config_is_named(leakline: Leakline, tmp_path: Path) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text('[kafka]\npartitions = 0\nbroker = "x"\n[serve]\nport = "many"\n')
    outcome = leakline("check-config", "--config", config)
    assert outcome.code == 2
    assert [line.split(": ")[1] for line in outcome.err.splitlines()] == [
        "kafka.partitions",
        "kafka.broker",
        "serve.port",
    ]
    assert "kafka.broker: there is no such setting" in outcome.err


@pytest.mark.parametrize(
    "brokers",
    ["", " ", "a:9092,", ",", "a:1 b:2", "a", "a:", ":1", "a:x", "a:0", "a:65536", "kafka://a:1"],
)
def test_brokers_that_are_no_list_of_addresses(
    leakline: Leakline, tmp_path: Path, brokers: str
) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(f'[kafka]\nbrokers = "{brokers}"\n')
    outcome = leakline("check-config", "--offline", "--config", config)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "kafka.brokers: must be host:port, or several separated by commas" in outcome.err
    config.write_text('[kafka]\nbrokers = "kafka-1:9092, [::1]:9092,10.0.0.1:9093"\n')
    assert leakline("check-config", "--offline", "--config", config).code == 0


@pytest.mark.parametrize(
    "host",
    [
        *("http://clickhouse:8123", "clickhouse:8123", "clickhouse/", "clickhouse:", "[::1]:8123"),
        *("https://user:hunter22@clickhouse", "user:hunter22@clickhouse", "click house"),
    ],
)
def test_a_store_host_is_a_name_alone(leakline: Leakline, tmp_path: Path, host: str) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(f'[store]\nhost = "{host}"\n')
    outcome = leakline("check-config", "--offline", "--config", config)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "store.host: must be a host's name alone: store.port is for the port" in outcome.err
    assert "hunter22" not in outcome.err


@pytest.mark.parametrize("host", ["clickhouse", "clickhouse.internal", "10.0.0.1", "::1", "[::1]"])
def test_a_store_host_may_be_an_address(leakline: Leakline, tmp_path: Path, host: str) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(f'[store]\nhost = "{host}"\n')
    assert leakline("check-config", "--offline", "--config", config).code == 0


@pytest.mark.parametrize(
    ("serve", "warned"),
    [
        ('host = "0.0.0.0"', True),
        ('host = "0.0.0.0"\nconsole_token = "a-token"', False),
        ('host = "127.0.0.1"', False),
    ],
)
def test_a_console_that_answers_nobody_is_doubted(
    leakline: Leakline, tmp_path: Path, serve: str, *, warned: bool
) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(f"[serve]\n{serve}\n")
    outcome = leakline("check-config", "--offline", "--config", config)
    said = "warning: serve.console_token: the console answers nobody without one"
    assert (outcome.code, said in outcome.err) == (0, warned)


@pytest.mark.parametrize(
    ("group", "commands"),
    [("policy", "test"), ("schema", "export"), ("dead-letters", "list, show, retry, drop")],
)
def test_a_group_without_a_command_names_its_own(
    leakline: Leakline, group: str, commands: str
) -> None:
    outcome = leakline(group)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"leakline: leakline {group}: name one of its commands: {commands}\n"


def test_the_store_of_init_is_said_to_be_made(leakline: Leakline) -> None:
    said = " ".join(leakline("init", "--help").out.split())
    assert "made if need be" in said
    assert "other files" not in said


@pytest.mark.parametrize("broker", ["user:hunter22@kafka-1:9092", "user:hunter22@kafka-1"])
def test_a_password_among_the_brokers_is_not_shown(
    leakline: Leakline, tmp_path: Path, broker: str
) -> None:
    config = tmp_path / "leakline.toml"
    config.write_text(f'[kafka]\nbrokers = "{broker}"\n')
    outcome = leakline("check-config", "--offline", "--config", config)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "kafka.brokers: must be host:port without a user" in outcome.err
    assert "hunter22" not in outcome.err + outcome.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\n{"key_id": "a"}\n\n', None),
        ('{"key_id": "a"}\n\nnonsense\n', "keys.jsonl:3: the message is not JSON"),
        (f'{{"key_id": "a", "alias": "{"x" * 17_000}"}}', "keys.jsonl:1: more than the 16384"),
    ],
)
def test_all_that_read_a_key_registry_agree(
    leakline: Leakline, tmp_path: Path, text: str, said: str | None
) -> None:
    keys, config, empty = (tmp_path / name for name in ("keys.jsonl", "leakline.toml", "empty"))
    keys.write_text(text)
    empty.touch()
    config.write_text(f'keys = "{keys}"\n')
    checked = leakline("check-config", "--offline", "--config", config)
    assert (checked.code, (said or "is valid") in checked.out) == (1 if said else 0, True)
    with nullcontext() if said is None else pytest.raises(ConfigError, match=said):
        ReconcileStage.from_config(Config.model_construct(keys=keys))
    letters = tmp_path / "letters"
    replayed = leakline("replay", "--events", empty, "--keys", keys, "--dead-letters", letters)
    assert (replayed.code, letters.read_text().count("\n")) == (0, 1 if said else 0)


def test_a_failure_shows_neither_traceback_nor_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("cannot use sk-proj-abcdefghijklmnop0123\nTraceback")

    monkeypatch.delenv(DEBUG_VARIABLE, raising=False)
    assert problems.run_guarded(fail) == 1
    said = capsys.readouterr().err
    assert said == (
        "leakline: unexpected RuntimeError: cannot use <secret> (LEAKLINE_DEBUG=1 shows where)\n"
    )


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("here")

    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(RuntimeError, match="here"):
        problems.run_guarded(fail)


@pytest.mark.parametrize(
    "words",
    [
        "replay --events {a} --incidents {no}",
        "replay --events {a} --dead-letters {no}",
        "replay --events {a} --notices {no}",
        "simulate --preset small --events {no}",
        "simulate --preset small --events {new} --labels {no}",
        "calibrate --events {a} --output {no}",
    ],
)
def test_a_file_that_cannot_be_written_is_a_usage_error(
    leakline: Leakline, tmp_path: Path, words: str
) -> None:
    paths = {"a": tmp_path / "a", "new": tmp_path / "new", "no": tmp_path / "no" / "where.jsonl"}
    paths["a"].touch()
    outcome = leakline(*words.format(**paths).split())
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "where.jsonl: cannot be written: " in outcome.err


def test_a_fleet_that_nobody_takes_is_refused_with_the_range(
    leakline: Leakline, tmp_path: Path
) -> None:
    for start in ("1990-01-01", "9999-12-31"):
        outcome = leakline("simulate", "--events", tmp_path / "new", "--start", start)
        assert "--start, --days: every day of a fleet must lie in 2010-01-01 to " in outcome.err
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_full_disk_is_told_with_the_file(leakline: Leakline, tmp_path: Path, suffix: str) -> None:
    full = tmp_path / f"full{suffix}"
    full.symlink_to("/dev/full")
    more = ["--preset", "small", "--key-count", "2", "--days", "1"]
    outcome = leakline("simulate", "--events", full, "--labels", tmp_path / "new", *more)
    assert (outcome.code, outcome.err) == (1, f"leakline: {full}: No space left on device\n")


@pytest.mark.parametrize(
    "words",
    [
        "replay --events {a} --incidents {a}",
        "replay --events {a} --keys {b} --dead-letters {b}",
        "replay --events {a} --incidents {new} --notices {new}",
        "replay --events {a} --incidents {link}",
        "replay --events {a} --incidents - --dead-letters -",
        "simulate --events {new} --labels {new}",
        "calibrate --events {a} --output {a}",
    ],
)
def test_no_file_is_written_over(leakline: Leakline, tmp_path: Path, words: str) -> None:
    paths = {name: tmp_path / name for name in ("a", "b", "new", "link")}
    paths["a"].write_text("{}\n")
    paths["b"].write_text("{}\n")
    paths["link"].symlink_to(paths["a"])
    outcome = leakline(*words.format(**paths).split())
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "is named twice" in outcome.err
    assert paths["a"].read_text() == paths["b"].read_text() == "{}\n"
    assert not paths["new"].exists()


@pytest.mark.parametrize(
    "words",
    [
        "replay --events - --keys -",
        "evaluate --incidents - --labels - --events {a}",
        "explain k --events - --provider-usage -",
        "calibrate --events - --labels - --output {new}",
        "policy test --policy {a} --incidents - --keys -",
    ],
)
def test_standard_input_is_one_file(leakline: Leakline, tmp_path: Path, words: str) -> None:
    paths = {name: tmp_path / name for name in ("a", "new")}
    paths["a"].touch()
    outcome = leakline(*words.format(**paths).split())
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "standard input" in outcome.err


def test_what_is_thrown_away_may_be_named_twice(leakline: Leakline) -> None:
    words = "replay --events /dev/null --incidents /dev/null --dead-letters /dev/null"
    assert leakline(*words.split()).code == 0


def test_the_schema_is_json(leakline: Leakline) -> None:
    assert '"UsageEvent"' in leakline("schema", "export").out
