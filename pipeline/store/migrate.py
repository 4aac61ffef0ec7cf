"""Versioned changes to the store: each file is applied once, and never changes afterwards."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.store.errors import StoreRefused

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY version
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A file of statements."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements, each of which can be applied twice without harm."""
        return split_statements(self.text)


def sql_folder() -> Path:
    """Where the SQL files are: in the installed package, or in a checkout."""
    installed = Path(__file__).parent / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "deploy" / "clickhouse"


def load_migrations(folder: Path | None = None) -> list[Migration]:
    """The migrations of a folder in order of version.

    Raises:
        StoreRefused: two files have the same version, or there are none.
    """
    folder = folder or sql_folder()
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        version = int(match.group(1))
        if version in found:
            raise StoreRefused(f"{path.name}: version {version} is taken by {found[version].name}")
        found[version] = Migration(version, path.stem, path.read_text(encoding="utf-8"))
    if not found:
        raise StoreRefused(f"{folder}: holds no migrations")
    return list(found.values())


def split_statements(text: str) -> list[str]:
    """The statements of a file; each ends with a semicolon at the end of a line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";[ \t]*(?:\n|$)", "\n".join(lines))
    return [part.strip() for part in parts if part.strip()]


def pending(migrations: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """What is still to be applied.

    Args:
        migrations: all that are known.
        applied: checksum by version, as recorded in the store.

    Raises:
        StoreRefused: an applied file was changed, or the store is newer than this program.
    """
    known = {migration.version for migration in migrations}
    newer = sorted(set(applied) - known)
    if newer:
        raise StoreRefused(f"the store has migration {newer[-1]:04d}, which is newer than leakline")
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise StoreRefused(f"migration {migration.name} was changed after it was applied")
    return [migration for migration in migrations if migration.version not in applied]
