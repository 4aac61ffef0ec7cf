"""Memory is gathered in huge pages where it is the process's own, and stays what it was."""

import threading

import pytest

from pipeline import huge_pages
from pipeline.huge_pages import BYTES_MIN, anonymous, gather, use_huge_pages

_LARGE = f"10000000-{0x10000000 + BYTES_MIN:x}"
_SMALL = f"10000000-{0x10000000 + BYTES_MIN - 4096:x}"


@pytest.mark.parametrize(
    ("line", "is_taken"),
    [
        (f"{_LARGE} rw-p 00000000 00:00 0", True),
        (f"{_LARGE} rw-p 00000000 00:00 0                          [heap]", True),
        (f"{_SMALL} rw-p 00000000 00:00 0", False),
        (f"{_LARGE} r--p 00000000 00:00 0", False),
        (f"{_LARGE} rw-s 00000000 00:01 17       /dev/zero (deleted)", False),
        (f"{_LARGE} rw-p 00001000 fe:00 247026   /usr/lib/a library.so", False),
        (f"{_LARGE} rw-p 00000000 00:00 0                          [stack]", False),
    ],
)
def test_only_large_memory_without_a_file_is_taken(line: str, *, is_taken: bool) -> None:
    assert list(anonymous(line + "\n")) == [(0x10000000, 0x10000000 + BYTES_MIN)] * is_taken


def test_memory_holds_what_it_held() -> None:
    pages = [bytes([number % 251]) * 4096 for number in range(8 * BYTES_MIN // 4096)]
    gather()
    assert all(page == bytes([number % 251]) * 4096 for number, page in enumerate(pages))


def test_it_goes_on_beside_the_rest_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = threading.Semaphore(0)
    monkeypatch.setattr(huge_pages, "gather", gathered.release)
    ended = use_huge_pages(every_seconds=0.001)
    (thread,) = (each for each in threading.enumerate() if each.name == "huge-pages")
    assert thread.daemon
    assert gathered.acquire(timeout=10)
    assert gathered.acquire(timeout=10)
    ended.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
