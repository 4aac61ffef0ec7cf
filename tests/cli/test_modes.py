"""What a command writes is for whoever runs it."""

import subprocess
import sys
from pathlib import Path

from schemas.codec import encode
from tests.support.events import event


def test_stores_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(encode(event(1_790_000_000.0)) + b"\nno event\n")
    written = [tmp_path / name for name in ("incidents", "dead-letters", "notices", "store")]
    options = [word for path in written for word in (f"--{path.name}", str(path))]
    subprocess.run(  # noqa: S603 - our own interpreter and code
        [
            *("/bin/sh", "-c", 'umask 022; exec "$0" "$@"', sys.executable),
            *("-m", "pipeline.cli", "replay", "--events", str(events), *options),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    made = [*written, *(tmp_path / "store").rglob("*")]
    assert len(made) > 50
    opened = [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert opened == []
