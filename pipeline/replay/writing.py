"""Writing a file of lines: plain, gzip, Zstandard or standard output."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard


@contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, compressed as its name says; `-` is standard output.

    Raises:
        OSError: it cannot be opened.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            # Without a time and a name in the header, the same records give the same bytes.
            with gzip.GzipFile("", "wb", 4, raw, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        elif path.suffix in {".zst", ".zstd"}:
            with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as frame:
                yield frame
        else:
            yield raw
