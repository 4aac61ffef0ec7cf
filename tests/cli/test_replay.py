import hashlib
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.config import Store as StoreConfig
from pipeline.replay.lines import read_lines
from pipeline.store import Store
from tests.cli.conftest import Leakline

START = 1_767_225_600.0


def _event(number: int, **changes: object) -> bytes:
    event: dict[str, Any] = {
        "event_id": f"e{number}",
        "occurred_at": START + number,
        "key_id": "team-a",
        "cost_usd": 0.25,
    }
    return json.dumps(event | changes).encode()


BAD_LINES: list[tuple[str, bytes]] = [
    ("not_json", b"not json at all"),
    ("not_json", b'{"a":' * 50_000),
    ("not_an_object", b"[1, 2]"),
    ("wrong_type", _event(1, status="fine")),
    ("negative_number", _event(2, input_tokens=-1)),
    ("not_finite", b'{"event_id":"e","occurred_at":1767225600,"key_id":"k","cost_usd":NaN}'),
    ("missing_field", b'{"event_id":"e","occurred_at":1767225600}'),
    ("too_large", _event(3, user_agent="a" * 10_000_000)),
    ("not_utf8", b'{"event_id":"\xff","occurred_at":1767225600,"key_id":"k"}'),
    ("time_too_old", _event(4, occurred_at=0)),
    ("time_in_future", _event(5, occurred_at=START + 2 * 86_400)),
    ("bad_time", _event(6, occurred_at="yesterday")),
    ("identifier_length", _event(7, event_id="e" * 129)),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Every kind of bad line between good ones, a raw secret, a duplicate, a late event."""
    lines = [_event(10)]
    for number, (_, bad) in enumerate(BAD_LINES):
        lines += [bad, _event(20 + number)]
    lines += [
        _event(40, key_id="sk-proj-0123456789abcdefghij", client_ip="nowhere"),
        _event(2000),
        _event(2001),
        _event(2000),
        _event(50),
    ]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_each_bad_line_is_a_dead_letter_with_its_reason_and_place(
    leakline: Leakline, log: Path, tmp_path: Path
) -> None:
    refused = tmp_path / "refused.jsonl"
    outcome = leakline("replay", "--events", log, "--dead-letters", refused)
    assert outcome.code == 0
    letters = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [letter["reason"] for letter in letters] == [reason for reason, _ in BAD_LINES]
    assert [letter["offset"] for letter in letters] == [2 * n + 2 for n in range(len(BAD_LINES))]
    assert {letter["topic"] for letter in letters} == {"events.jsonl"}


def test_a_blank_line_is_nothing(leakline: Leakline, tmp_path: Path) -> None:
    events, refused = tmp_path / "events.jsonl", tmp_path / "refused.jsonl"
    events.write_bytes(b"\n".join([_event(1), b"", _event(2), b" \r", b"no event", b"", b""]))
    outcome = leakline("replay", "--events", events, "--dead-letters", refused)
    assert outcome.err.startswith("3 events of 1 keys")
    (letter,) = map(json.loads, refused.read_text().splitlines())
    assert (letter["reason"], letter["offset"]) == ("not_json", 5)


def test_the_summary_counts_by_reason(leakline: Leakline, log: Path) -> None:
    outcome = leakline("replay", "--events", log)
    first, counts, dead, incidents, rate, told = outcome.err.splitlines()
    good = 1 + len(BAD_LINES) + 5
    assert first.startswith(f"{good + len(BAD_LINES)} events of 2 keys, 2026-01-01 00:00 to ")
    assert counts == "late 1, duplicates 1, without a price 0, without a source 19"
    assert dead.startswith(f"dead letters {len(BAD_LINES)} (bad_time 1, identifier_length 1, ")
    assert incidents.startswith("incidents 0")
    assert rate.endswith("events/s")
    assert told == "messages to people 0"


def test_refused_control_records_are_no_events(
    leakline: Leakline, log: Path, tmp_path: Path
) -> None:
    events = leakline("replay", "--events", log).err.splitlines()[0]
    given: list[str | Path] = ["--events", log]
    for name in ("keys", "provider-usage", "verdicts"):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("not json at all\n")
        given += [f"--{name}", path]
    first, _, dead, *_ = leakline("replay", *given).err.splitlines()
    assert first == events
    assert dead.startswith(f"dead letters {len(BAD_LINES) + 3} ")


def test_a_raw_secret_is_nowhere(leakline: Leakline, log: Path, tmp_path: Path) -> None:
    secret = "sk-proj-0123456789abcdefghij"
    with log.open("ab") as file:
        file.write(b'broken {"key_id": "%b"}\n' % secret.encode())
    refused = tmp_path / "refused.jsonl"
    outcome = leakline("replay", "--events", log, "--dead-letters", refused, "--incidents", "-")
    assert secret not in outcome.out + outcome.err + refused.read_text()


def test_standard_input_and_output(
    leakline: Leakline, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(log.read_bytes())))
    outcome = leakline("replay", "--events", "-", "--incidents", "-")
    assert outcome.code == 0
    assert "late 1, duplicates 1" in outcome.err


def test_a_key_can_be_explained_by_itself(leakline: Leakline, log: Path) -> None:
    secret = "sk-proj-0123456789abcdefghij"
    outcome = leakline("explain", secret, "--events", log)
    assert outcome.code == 0
    assert outcome.out.startswith("sha256:")
    assert secret not in outcome.out


def test_a_pipe_can_be_named(leakline: Leakline) -> None:
    """As the shell does for `--events <(zcat events.jsonl.gz)`."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(_event(1))
    try:
        outcome = leakline("replay", "--events", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
    assert (outcome.code, outcome.err.splitlines()[0][:20]) == (0, "1 events of 1 keys, ")


def test_the_store_holds_every_event_once_and_the_same_totals(
    leakline: Leakline, log: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    for _ in range(2):  # a second replay changes nothing
        assert leakline("replay", "--events", log, "--store", folder).code == 0
    good = 1 + len(BAD_LINES) + 4
    with Store.open(StoreConfig(path=folder)) as store:
        events = store.query("SELECT count(), sum(cost_usd) FROM v_usage_events").rows[0]
        days = store.query(
            "SELECT sum(requests), sum(spend_usd) FROM v_spend_windows WHERE granularity = '1d'"
        ).rows[0]
        letters = store.query("SELECT count() FROM v_dead_letters").rows[0][0]
    assert (events[0], float(events[1])) == (good, good * 0.25)
    assert (days[0], float(days[1])) == (good, good * 0.25)
    assert letters == len(BAD_LINES)


def test_a_store_is_for_one_log(leakline: Leakline, tmp_path: Path) -> None:
    one, two, both = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "both"))
    one.write_bytes(_event(1) + b"\n" + _event(1) + b"\n" + _event(2) + b"\n")
    two.write_bytes(_event(3) + b"\n")
    both.write_bytes(one.read_bytes() + two.read_bytes())
    for path, others in ((one, 0), (one, 0), (both, 0), (two, 2), (both, 0), (one, 1)):
        outcome = leakline("replay", "--events", path, "--store", tmp_path / "store")
        said = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
        assert len(said) == bool(others), (path, said)
        assert all(f"holds {others} events of other files" in line for line in said)
    told = leakline("replay", "--help").out
    assert "A store is for one log" in " ".join(told.replace("│", " ").split())


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_outputs_are_compressed_as_their_names_say(
    leakline: Leakline, log: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"letters{suffix}"
    assert leakline("replay", "--events", log, "--dead-letters", path).code == 0
    assert path.read_bytes()[:1] in {b"\x1f", b"\x28"}
    reasons = [json.loads(line)["reason"] for line in read_lines(path)]
    assert set(reasons) == {reason for reason, _ in BAD_LINES}


RAW = "sk-proj-0123456789abcdefghij"
HASH = hashlib.sha256(RAW.encode()).hexdigest()
"""By which LiteLLM's payloads name the key; other events have `sha256:` before it."""


@pytest.mark.parametrize(
    ("named", "used", "write"),
    [
        (RAW, HASH, HASH),
        (f"sha256:{HASH}", HASH, HASH),
        (HASH, RAW, f"sha256:{HASH}"),
        (HASH, HASH, None),
        (RAW, RAW, None),
        (RAW, "team-a", None),
    ],
)
def test_an_entry_whose_id_the_events_write_otherwise_is_told(
    leakline: Leakline, tmp_path: Path, named: str, used: str, write: str | None
) -> None:
    events, keys = tmp_path / "events.jsonl", tmp_path / "keys.jsonl"
    events.write_bytes(_event(1, key_id=used))
    keys.write_text(json.dumps({"key_id": named, "canary": True}))
    outcome = leakline("replay", "--events", events, "--keys", keys)
    warned = [line for line in outcome.err.splitlines() if line.startswith("warning")]
    assert [line.endswith(f" name this key {write}; write that") for line in warned] == (
        [] if write is None else [True]
    )
    assert RAW not in outcome.err


def test_many_such_entries_are_counted(leakline: Leakline, tmp_path: Path) -> None:
    events, keys = tmp_path / "events.jsonl", tmp_path / "keys.jsonl"
    hashes = [f"{number:064x}" for number in range(5)]
    events.write_bytes(b"\n".join(_event(n, key_id=each) for n, each in enumerate(hashes)))
    keys.write_text("\n".join(json.dumps({"key_id": f"sha256:{each}"}) for each in hashes))
    warned = leakline("replay", "--events", events, "--keys", keys).err.splitlines()[-4:]
    assert warned[-1] == "warning: the same holds for 2 more of its entries"
    assert all(each in line for each, line in zip(hashes[:3], warned[:3], strict=True))


@pytest.mark.parametrize("asked", [RAW, f"sha256:{HASH}", HASH])
@pytest.mark.parametrize("used", [RAW, HASH])
def test_a_key_is_found_by_itself_and_by_either_form_of_its_hash(
    leakline: Leakline, tmp_path: Path, asked: str, used: str
) -> None:
    events, store = tmp_path / "events.jsonl", tmp_path / "store"
    events.write_bytes(b"\n".join((_event(1, key_id=used), _event(2, key_id="team-b"))))
    leakline("replay", "--events", events, "--store", store)
    for words in (("--events", events), ("--store", store)):
        outcome = leakline("explain", asked, *words)
        stored = HASH if used == HASH else f"sha256:{HASH}"
        assert (outcome.code, outcome.out.startswith(f"{stored}: 1 events, $0.25")) == (0, True)


def test_of_both_forms_the_one_that_was_asked_for_is_explained(
    leakline: Leakline, tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join((_event(1, key_id=RAW), _event(2, key_id=HASH))))
    for asked in (HASH, f"sha256:{HASH}"):
        assert leakline("explain", asked, "--events", events).out.startswith(f"{asked}: 1 ")
