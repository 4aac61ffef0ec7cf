"""Writing a file of lines: plain, gzip, Zstandard or standard output."""

import gzip
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import zstandard


class NotWritableError(Exception):
    """A file that cannot be written. The text is one line that names it."""

    exit_code: ClassVar[int] = 2


@contextmanager
def open_writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, compressed as its name says; `-` is standard output.

    Raises:
        NotWritableError: it cannot be opened.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _opened(path) as raw:
        if path.suffix == ".gz":
            # Without a time and a name in the header, the same records give the same bytes.
            with gzip.GzipFile("", "wb", 4, raw, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        elif path.suffix in {".zst", ".zstd"}:
            with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as frame:
                yield frame
        else:
            yield raw


class _Named(io.FileIO):
    """A file that says which it is when it cannot be written to: not everybody has one alone."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - whatever has bytes, as its base
        """Write some of the bytes; how many."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.name
            raise


def _opened(path: Path) -> IO[bytes]:
    try:
        return io.BufferedWriter(_Named(path, "wb"))
    except OSError as error:
        raise NotWritableError(f"{path}: cannot be written: {error.strerror}") from None
