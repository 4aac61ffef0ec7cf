"""Options that several commands share, and the configuration they lead to."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from pipeline.cli.problems import UsageError

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.engine import Rules
    from schemas.calibration import Calibration

CONFIG_VARIABLE = "LEAKLINE_CONFIG"
STDIO = Path("-")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="Configuration (TOML); LEAKLINE_SECTION__FIELD in the environment wins over it.",
    ),
]
StoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Directory of an embedded store; without it, the configured store.",
    ),
]
NewStoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        file_okay=False,
        help="Fill the embedded store in this directory; it is made if need be. A store is "
        "for one log: the same files again change nothing, other files go into another store.",
    ),
]


def _present(path: Path | None) -> Path | None:
    # Typer's own `exists` does not know standard input.
    if path is None or path == STDIO or (path.exists() and not path.is_dir()):
        return path
    what = "is a directory" if path.is_dir() else "does not exist"
    raise typer.BadParameter(f"file '{path}' {what}.")


class _FileOptions(TypedDict, total=False):
    callback: Callable[[Path | None], Path | None]
    dir_okay: bool
    metavar: str


INPUT: _FileOptions = {"callback": _present, "metavar": "FILE"}
"""A file that must be there; - is standard input."""
ProviderUsageFile = Annotated[Path | None, typer.Option(**INPUT, help="What providers billed.")]
KeysFile = Annotated[Path | None, typer.Option(**INPUT, help="The key registry.")]
VerdictsFile = Annotated[
    Path | None, typer.Option(**INPUT, help="What people said about incidents.")
]
CalibrationFile = Annotated[
    Path | None, typer.Option(**INPUT, help="Judge by what `leakline calibrate` wrote.")
]
OUTPUT: _FileOptions = {"dir_okay": False, "metavar": "FILE"}
"""A file to write; - is standard output."""


def keep_apart(read: Iterable[Path | None], written: Iterable[Path | None] = ()) -> None:
    """See to it that nothing which is read, or written already, is written over.

    Raises:
        UsageError: a file has two uses, and one of them is to be written, or it is standard input.
    """
    inputs = [path for path in read if path is not None]
    if inputs.count(STDIO) > 1:
        raise UsageError(f"{STDIO}: standard input can be one of the files, not two")
    used = {path.resolve() for path in inputs if path != STDIO}
    for path in written:
        if path is None or path.is_char_device():
            continue
        if path.resolve() in used:
            raise UsageError(f"{path}: is named twice, and would be overwritten")
        used.add(path.resolve())


def load_config(path: Path | None, store: Path | None = None) -> "Config":
    """The configuration, with an embedded store in a directory if one is named.

    Raises:
        ConfigError: naming every key that is wrong.
    """
    from pipeline.config import Config

    config = Config.load(path)
    if store is None:
        return config
    embedded = config.store.model_copy(update={"path": store, "host": None})
    return config.model_copy(update={"store": embedded})


def tell_exposed(config: "Config") -> None:
    """Warn on stderr, where a command is for long, of what others on the network can read."""
    from pipeline.workers.connection import exposed

    said = exposed(config.kafka)
    if said:
        typer.echo(f"leakline: warning: {said}", err=True)


def read_calibration(path: Path) -> "Calibration":
    """A calibration in a file.

    Raises:
        UsageError: it is none.
    """
    import msgspec

    from schemas.calibration import Calibration
    from schemas.codec import UNDECODABLE, Refused, plausible

    try:
        return plausible(msgspec.json.decode(path.read_bytes(), type=Calibration))
    except (*UNDECODABLE, OSError) as error:
        raise UsageError(f"{path}: is no calibration: {error}") from None
    except Refused as refused:
        raise UsageError(f"{path}: is no calibration: {refused.detail}") from None


def rules_for(config: "Config", calibration: Path | None) -> "Rules":
    """The rules of a configuration, with the calibration in a file instead of the shipped one.

    Raises:
        UsageError: the file holds none.
    """
    from pipeline.default_rules import default_rules

    rules = default_rules(config)
    if calibration is None:
        return rules
    return replace(rules, calibration=read_calibration(calibration))
