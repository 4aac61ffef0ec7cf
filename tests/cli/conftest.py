import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pipeline.cli.app import app
from pipeline.cli.problems import run_guarded


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Leakline = Callable[..., Outcome]


@pytest.fixture
def leakline(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leakline]:
    """Runs a command in this process, as the script does."""
    monkeypatch.delenv("LEAKLINE_DEBUG", raising=False)
    logger = logging.getLogger("pipeline")
    level = logger.level

    def run(*arguments: object) -> Outcome:
        words = [str(argument) for argument in arguments]
        code = run_guarded(lambda: app(words, prog_name="leakline", standalone_mode=False))
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    yield run
    logger.setLevel(level)  # the demo is quieter than what other tests listen to
