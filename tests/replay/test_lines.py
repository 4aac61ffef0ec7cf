import gzip
import io
import tracemalloc
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from pipeline.replay.lines import ReplayError, read_lines
from schemas.topics import MESSAGE_BYTES_MAX

CONTENT = b'{"a":1}\n\n\xff\xfe not utf-8\r\nlast without newline'
LINES = [b'{"a":1}', b"", b"\xff\xfe not utf-8\r", b"last without newline"]


def test_plain_gzip_and_zstandard_give_the_same_bytes(tmp_path: Path) -> None:
    plain, zipped, packed = (tmp_path / name for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst"))
    plain.write_bytes(CONTENT)
    zipped.write_bytes(gzip.compress(CONTENT))
    packed.write_bytes(zstandard.compress(CONTENT))
    assert [list(read_lines(path)) for path in (plain, zipped, packed)] == [LINES] * 3


def test_concatenated_archives_are_read_to_the_end(tmp_path: Path) -> None:
    zipped, packed = tmp_path / "a.gz", tmp_path / "a.zst"
    zipped.write_bytes(gzip.compress(b"1\n") + gzip.compress(b"2\n"))
    packed.write_bytes(zstandard.compress(b"1\n") + zstandard.compress(b"2\n"))
    assert list(read_lines(zipped)) == list(read_lines(packed)) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("name", "packed"), [("a.jsonl", bytes), ("a.gz", gzip.compress), ("a.zst", zstandard.compress)]
)
def test_a_mark_of_utf8_belongs_to_no_line(
    tmp_path: Path, name: str, packed: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(packed(BOM_UTF8 + CONTENT + b"\n" + BOM_UTF8 + b"{}"))
    assert list(read_lines(path)) == [*LINES, BOM_UTF8 + b"{}"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(CONTENT)))
    assert list(read_lines(Path("-"))) == LINES


def test_a_long_line_is_cut_and_what_follows_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"before\n" + b"x" * 10_000_000 + b"\nafter\n")
    tracemalloc.start()
    lines = list(read_lines(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(line) for line in lines] == [6, MESSAGE_BYTES_MAX + 1, 5]
    assert peak < 4_000_000


@pytest.mark.parametrize("name", ["a.jsonl", "a.gz", "a.zst"])
def test_a_file_of_no_bytes_has_no_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert not list(read_lines(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.gz", gzip.compress(CONTENT * 1000)[:-20], "damaged"),
        ("cut.zst", zstandard.compress(CONTENT * 1000)[:-5], "damaged"),
        ("plain.zst", b"no archive at all", "damaged"),
        ("plain.gz", b"no archive at all", "cannot be read"),
    ],
)
def test_a_damaged_archive_is_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReplayError, match=said) as caught:
        list(read_lines(path))
    assert name in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ReplayError, match=r"nowhere.jsonl: cannot be read: No such file"):
        list(read_lines(Path("nowhere.jsonl")))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", CONTENT * 10_000),
        ("a.gz", gzip.compress(CONTENT * 10_000)),
        ("a.zst", zstandard.compress(CONTENT * 10_000)),
    ],
)
def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    seen: list[int] = []
    list(read_lines(path, seen.append))
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
