"""An embedded store whose disk is full for a while; in a process of its own, as limits are.

python -m tests.support.full_disk FOLDER

Files may not grow beyond a limit, which a process meets as it meets a full disk: its writes fail.
Prints what an insert met while that was so, and then how many rows there are after it was sent
again and after the store was opened anew.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import Store as StoreConfig
from pipeline.store import Store
from pipeline.store.errors import StoreError
from pipeline.store.rows import DEAD_LETTERS
from schemas.dead_letter import DeadLetter
from tests.store.records import DEAD
from tests.support.installation import ROOT

ROWS = 5_000
BYTES_MAX = 64 * 1024
COUNT = "SELECT count(), uniqExact(offset) FROM dead_letters FINAL"


SAYS = ["StoreUnavailable", f"{ROWS} {ROWS}", f"{ROWS} {ROWS}"]
"""What is printed when nothing is lost and nothing doubled."""


def run(folder: Path) -> list[str]:
    """The lines that a process prints, those of an error included."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "tests.support.full_disk", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).splitlines()


@contextmanager
def full() -> Iterator[None]:
    """Nothing can be written any more."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES_MAX, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def letter(number: int) -> DeadLetter:
    """One of many rows that do not compress well."""
    payload = f"{number * 2654435761 % 2**32:08x}" * 32
    return DeadLetter(
        topic=DEAD.topic,
        partition=DEAD.partition,
        offset=number,
        index=0,
        reason=DEAD.reason,
        detail=f"{number**7 % 2**61:x}",
        received_at=DEAD.received_at,
        payload=payload,
    )


def main(folder: Path) -> None:
    """Insert, fail, insert again."""
    config = StoreConfig(path=folder)
    letters = [letter(number) for number in range(ROWS)]
    with Store.open(config) as store:
        store.migrate()
        store.insert(DEAD_LETTERS, letters[:10])
        with full():
            try:
                store.insert(DEAD_LETTERS, letters)
            except StoreError as error:
                print(type(error).__name__)  # noqa: T201 - for the test
            else:
                print("nothing")  # noqa: T201
        store.insert(DEAD_LETTERS, letters)
        print(*store.query(COUNT).rows[0])  # noqa: T201
    with Store.open(config) as store:
        print(*store.query(COUNT).rows[0])  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
