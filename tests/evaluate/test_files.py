"""Files in, a report out; what cannot be understood is named by file and line."""

import gzip
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import zstandard

from pipeline.evaluate import evaluate_files
from pipeline.replay.lines import ReplayError
from schemas.label import Label
from schemas.redaction import public_key_id
from schemas.usage_event import UsageEvent
from tests.support.samples import AT, incident


def test_compressed_files_and_broken_events(tmp_path: Path) -> None:
    event = UsageEvent(
        event_id="e", occurred_at=AT + 10.0, key_id="k", provider="openai", model="gpt-4o",
        input_tokens=1_000_000,
    )  # fmt: skip
    label = Label(
        label_id="l", key_id="k", kind="mimic", malicious=True, started_at=AT, ended_at=AT + 60.0
    )
    events, labels = tmp_path / "events.jsonl.zst", tmp_path / "labels.jsonl.gz"
    framed = b'{"event_id":"f","occurred_at":%f,"key_id":"k","status":null,"cost_usd":0.0}' % AT
    lines = msgspec.json.encode(event) + b"\nnot an event\n" + framed + b"\n"
    events.write_bytes(zstandard.ZstdCompressor().compress(lines))
    labels.write_bytes(gzip.compress(msgspec.json.encode(label)))
    incidents = tmp_path / "incidents.jsonl"
    incidents.write_bytes(b"")
    report = evaluate_files(incidents, labels, events)
    assert report.events == 2  # the engine takes null for no value, too
    assert report.overall.lost_usd_total == pytest.approx(2.5)  # priced from the catalogue


def test_an_event_that_a_replay_does_not_believe_is_none(tmp_path: Path) -> None:
    start, week = AT, 7 * 86_400.0
    times = [start + n * week / 100 for n in range(101)]
    times[50:50] = [start + 10 * 30 * 86_400.0, -5.0, 1e12]
    events, incidents, labels = (tmp_path / name for name in ("events", "incidents", "labels"))
    lines = [
        b'{"event_id": "%d", "occurred_at": %f, "key_id": "k%d"}\n\n' % (n, at, n % 2)
        for n, at in enumerate(times)
    ]
    events.write_bytes(b"".join(lines))
    incidents.write_bytes(msgspec.json.encode(incident(key_id="k0")))
    labels.touch()
    refused: Counter[str] = Counter()
    report = evaluate_files(incidents, labels, events, refused=refused)
    assert refused == {"time_in_future": 2, "time_too_old": 1}
    assert report.events == 101
    assert report.key_weeks == pytest.approx(2.0, rel=0.03)
    assert report.false_pages_per_1000_key_weeks == pytest.approx(500.0, rel=0.03)


def test_a_broken_label_is_named(tmp_path: Path) -> None:
    path, empty = tmp_path / "labels.jsonl", tmp_path / "empty.jsonl"
    empty.touch()
    path.write_text('\n{"label_id": "x"}\n')
    with pytest.raises(ReplayError, match=r"labels\.jsonl:2: .*key_id"):
        evaluate_files(empty, path, empty)


def test_a_label_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path, empty = tmp_path / "labels.jsonl", tmp_path / "empty.jsonl"
    empty.touch()
    labels = [
        Label(label_id=name, key_id="k", kind="mimic", malicious=True, started_at=AT, ended_at=AT)
        for name in ("a", "b", "a")
    ]
    path.write_bytes(msgspec.json.Encoder().encode_lines(labels))
    with pytest.raises(ReplayError, match=r"labels\.jsonl: label_id a is there 2 times"):
        evaluate_files(empty, path, empty)


def test_a_label_may_name_the_raw_key(tmp_path: Path) -> None:
    """The engine knows it by its hash, and so do incidents."""
    raw = "sk-planted-0123456789"
    incidents, labels, empty = (tmp_path / name for name in ("incidents", "labels", "empty"))
    empty.touch()
    paged = incident(key_id=public_key_id(raw))
    incidents.write_bytes(msgspec.json.encode(paged))
    label = Label(
        label_id="l", key_id=raw, kind="theft", malicious=True, started_at=AT - 60, ended_at=AT
    )
    labels.write_bytes(msgspec.json.encode(label))
    assert evaluate_files(incidents, labels, empty).overall.detected == 1


def test_a_cause_in_words_of_others_is_not_judged(tmp_path: Path) -> None:
    incidents, labels, empty = (tmp_path / name for name in ("incidents", "labels", "empty"))
    empty.touch()
    incidents.write_bytes(msgspec.json.encode(incident()))
    theirs = {
        "label_id": "l", "key_id": incident().key_id, "kind": "theft", "malicious": True,
        "started_at": AT - 60, "ended_at": AT, "cause": "stolen from a laptop",
    }  # fmt: skip
    labels.write_bytes(msgspec.json.encode(theirs))
    overall = evaluate_files(incidents, labels, empty).overall
    assert overall.detected == 1
    assert overall.cause_accuracy is None


def test_a_label_that_ends_before_it_starts_is_named_with_its_line(tmp_path: Path) -> None:
    incidents, labels, empty = (tmp_path / name for name in ("incidents", "labels", "empty"))
    incidents.touch()
    empty.touch()
    at = {"label_id": "l", "key_id": "k", "kind": "theft", "malicious": True, "started_at": AT}
    labels.write_bytes(b"\n".join(msgspec.json.encode(at | {"ended_at": AT + s}) for s in (0, -1)))
    with pytest.raises(ReplayError, match=r"labels:2: ended_at is before started_at"):
        evaluate_files(incidents, labels, empty)
