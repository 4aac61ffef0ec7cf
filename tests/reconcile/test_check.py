"""What check-config says about the key registry."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.config import Config, Gateway, Response
from pipeline.reconcile.check import check_registry
from pipeline.replay.lines import read_registry
from tests.cli.conftest import Leakline, leakline
from tests.support.samples import WEBHOOK_SECRET

__all__ = ["leakline"]  # a fixture

RAW = "sk-proj-0123456789abcdefghij"
HASH = hashlib.sha256(RAW.encode()).hexdigest()
EDGE = Gateway.model_validate(
    {"name": "edge", "url": "https://gateway.example.com/hook", "secret": WEBHOOK_SECRET}
)
PROXY = Gateway.model_validate(
    {"name": "proxy", "kind": "litellm", "url": "https://proxy.example.com", "secret": "an-admin"}
)


def config(tmp_path: Path, *entries: object, **response: object) -> Config:
    keys = tmp_path / "keys.jsonl"
    keys.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return Config(keys=keys, response=Response.model_validate(response))


def test_every_bad_entry_has_its_line(tmp_path: Path) -> None:
    bad = [{"key_id": "a", "allowed_countries": ["UK"]}, {"key_id": "b", "timezone": "Mars"}]
    found = check_registry(config(tmp_path, bad[0], {"key_id": "c", "canary": True}, bad[1], {}))
    keys = tmp_path / "keys.jsonl"
    assert [line.partition(" ")[0] for line in found.mistakes] == [
        f"{keys}:1:",
        f"{keys}:3:",
        f"{keys}:4:",
    ]
    assert found.doubts == []


def test_a_file_of_something_else_is_not_said_to_its_end(tmp_path: Path) -> None:
    found = check_registry(config(tmp_path, *[{"event_id": "e"}] * 50))
    assert (len(found.mistakes), found.mistakes[-1]) == (21, "… and 30 more such lines")


def test_a_field_that_nobody_reads_is_doubted_once(tmp_path: Path) -> None:
    entries = [{"key_id": f"k{n}", "canry": True, "note": "ours"} for n in range(3)]
    found = check_registry(config(tmp_path, *entries))
    where = f"{tmp_path / 'keys.jsonl'}:1: there is no field "
    assert found.mistakes == []
    assert found.doubts == [
        f'{where}"canry"; did you mean canary? (and in 2 more lines)',
        f'{where}"note" (and in 2 more lines)',
    ]


@pytest.mark.parametrize("value", [b"1e999", b"9" * 5_000, b'"\xff"'])
def test_a_value_that_nobody_reads_is_doubted_even_where_nobody_could(
    tmp_path: Path, value: bytes
) -> None:
    asked = config(tmp_path)
    path = tmp_path / "keys.jsonl"
    path.write_bytes(b'{"key_id": "k", "note": %s}\n' % value)
    assert [each.key_id for each in read_registry(path)] == ["k"]
    assert check_registry(asked) == ([], [f"{path}:1: a field that there is not cannot be read"])


def test_a_secret_in_place_of_a_name_is_not_shown(tmp_path: Path) -> None:
    (said,) = check_registry(config(tmp_path, {"key_id": "a", RAW: "\x1b"})).doubts
    assert RAW not in said


def test_a_gateway_that_nobody_configured_is_doubted(tmp_path: Path) -> None:
    entries = [{"key_id": "a", "gateway": "edge"}, {"key_id": "b", "gateway": "egde"}]
    (said,) = check_registry(config(tmp_path, *entries, gateways=[EDGE])).doubts
    assert said.endswith('keys.jsonl:2: gateway: there is none called "egde"')


@pytest.mark.parametrize(
    ("entry", "response", "said"),
    [
        ({"key_id": RAW}, {"gateways": [PROXY]}, f'write "{HASH}" instead of the key'),
        ({"key_id": f"sha256:{HASH}"}, {"gateways": [PROXY]}, "write it without sha256:"),
        ({"key_id": f"sha256:{HASH}"}, {"gateways": [PROXY, EDGE]}, "write it without sha256:"),
        ({"key_id": HASH}, {"gateways": [PROXY]}, None),
        ({"key_id": "team-a"}, {"gateways": [PROXY]}, None),
        ({"key_id": RAW}, {"gateways": [EDGE]}, None),
        ({"key_id": RAW, "gateway": "edge"}, {"gateways": [PROXY, EDGE]}, None),
        ({"key_id": RAW}, {"gateways": [PROXY, EDGE], "default_gateway": "edge"}, None),
    ],
)
def test_an_id_that_litellm_writes_otherwise_is_doubted(
    tmp_path: Path, entry: dict[str, str], response: dict[str, object], said: str | None
) -> None:
    found = check_registry(config(tmp_path, entry, **response))
    assert found.mistakes == []
    assert len(found.doubts) == (0 if said is None else 1)
    assert all(str(said) in line and RAW not in line for line in found.doubts)


def test_a_doubt_is_no_failure(leakline: Leakline, tmp_path: Path) -> None:
    keys, file = tmp_path / "keys.jsonl", tmp_path / "leakline.toml"
    keys.write_text('{"key_id": "a", "canry": true}\n')
    file.write_text(f'keys = "{keys}"\n')
    outcome = leakline("check-config", "--offline", "--config", file)
    assert (outcome.code, outcome.out) == (0, "the configuration is valid\n")
    assert outcome.err == (
        f'warning: keys: {keys}:1: there is no field "canry"; did you mean canary?\n'
    )
