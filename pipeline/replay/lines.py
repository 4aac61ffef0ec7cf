"""Recorded files in bounded memory, by line or record: plain, gzip, Zstandard or standard input."""

import gzip
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import zstandard

from schemas.codec import Refused, decode_control, decode_record, plausible, redacted
from schemas.key_record import KeyRecord
from schemas.topics import MESSAGE_BYTES_MAX

T = TypeVar("T", bound=msgspec.Struct)
STDIN = Path("-")
_CHUNK_BYTES = 1 << 18
_KEPT_BYTES = MESSAGE_BYTES_MAX + 1


class ReplayError(Exception):
    """A file that cannot be read to its end, or is not what it should be; one line names it."""


def read_lines(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """The lines of a `.jsonl`, `.gz` or `.zst` file, or of standard input (`-`).

    Bytes are handed on as they are, without a mark of UTF-8 at the beginning. Of a line longer
    than a message may be, only the first `MESSAGE_BYTES_MAX` + 1 bytes are kept: enough to be
    refused as too large.

    Args:
        path: the file.
        progress: told how many bytes of the file have been read so far.

    Raises:
        ReplayError: the file is missing, is no archive of its kind, or is cut short.
    """
    lines = _split(_chunks(path, progress))
    try:
        # Some editors and exports put the mark there; no JSON begins with it.
        yield from (line.removeprefix(BOM_UTF8) for line in islice(lines, 1))
        yield from lines
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise ReplayError(f"{path}: is damaged or cut short: {error}") from None


def read_records(path: Path, kind: type[T]) -> Iterator[T]:
    """The records of a file; a raw key in one stands for its hash, as it does in the engine.

    Raises:
        ReplayError: a line is none, or the file cannot be read.
    """
    return _decoded(path, lambda line: redacted(plausible(decode_record(line, kind))))


def read_registry(path: Path) -> list[KeyRecord]:
    """The entries of a key registry, all of them such that the engine takes them.

    Raises:
        ReplayError: a line is none, or the file cannot be read.
    """
    return list(_decoded(path, lambda line: decode_control(line, KeyRecord)))


def _decoded(path: Path, decode: Callable[[bytes], T]) -> Iterator[T]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            yield decode(line)
        except Refused as refused:
            raise ReplayError(f"{path}:{number}: {refused.detail}") from None


def _chunks(path: Path, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    if path == STDIN:
        yield from _blocks(sys.stdin.buffer)
        return
    with path.open("rb") as file:
        for chunk in _unzipped(path.suffix, file):
            if progress and file.seekable():
                progress(file.tell())
            yield chunk


def _unzipped(suffix: str, file: IO[bytes]) -> Iterator[bytes]:
    if suffix == ".gz":
        with gzip.open(file) as unzipped:
            while chunk := unzipped.read(_CHUNK_BYTES):
                yield chunk
    elif suffix in {".zst", ".zstd"}:
        yield from _frames(file)
    else:
        yield from _blocks(file)


def _blocks(file: IO[bytes], size: int = _CHUNK_BYTES) -> Iterator[bytes]:
    while chunk := file.read(size):
        yield chunk


def _frames(file: IO[bytes]) -> Iterator[bytes]:
    """Frame by frame: the library's own reader takes a frame cut short for a whole one."""
    context = zstandard.ZstdDecompressor()
    frame = context.decompressobj()
    block = b""
    for block in _blocks(file, _CHUNK_BYTES // 16):
        yield frame.decompress(block)
        while frame.eof and (rest := frame.unused_data):
            frame = context.decompressobj()
            yield frame.decompress(rest)
    if block and not frame.eof:  # a file of nothing has no frame
        raise EOFError("a frame has no end")


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest += first[: _KEPT_BYTES - len(rest)]
        if others:
            yield rest
            yield from others[:-1]
            rest = others[-1][:_KEPT_BYTES]
    if rest:
        yield rest
