"""leakline as it is installed: its commands as processes with one configuration, on a broker,
a ClickHouse over HTTP, and the stand-ins of the demo.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pipeline.config import Config
from pipeline.config import Store as StoreConfig
from pipeline.demo.config_file import write_config

ROOT = Path(__file__).parents[2]
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
WAIT_SECONDS_MAX = 90.0
T = TypeVar("T")


class Installation:
    """The commands of an installation; each process writes what it says into a file."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self._folder = folder
        self._file = write_config(config, folder / "leakline.toml")
        self._logs: list[Path] = []
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            sys.stderr.write(self.said())  # pytest shows it with the failure
        for process in self._running:
            process.kill()
            process.wait()

    def run(self, *words: str) -> None:
        """Run a command to its end, which has to be a good one."""
        process = self._start(words)
        assert process.wait(START_SECONDS_MAX) == 0, self.said()
        self._running.remove(process)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, however it ends."""
        return subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "pipeline.cli", *words, "--config", str(self._file)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command that runs until it is told to stop."""
        return self._start(words)

    def serve(self) -> str:
        """Start the server; the address that it says it listens on."""
        process = self._start(("serve",))
        log, marker = self._logs[-1], "listening on "
        deadline = time.monotonic() + START_SECONDS_MAX
        while marker not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        return said.partition(marker)[2].splitlines()[0]

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a crash would."""
        process.kill()
        process.wait()
        self._running.remove(process)

    def stop(self) -> None:
        """End every process in good order, all at the same time."""
        for process in self._running:
            process.terminate()
        codes = [process.wait(STOP_SECONDS_MAX) for process in self._running]
        self._running.clear()
        assert set(codes) <= {0}, self.said()

    async def until(self, look: Callable[[], Awaitable[T]], wanted: T) -> None:
        """Wait until a look gives what is wanted, as long as every process lives."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while (found := await look()) != wanted:
            assert time.monotonic() < deadline, f"{found} did not become {wanted}"
            ended = [process.args for process in self._running if process.poll() is not None]
            assert not ended, "a process ended by itself"
            await asyncio.sleep(0.1)

    def said(self) -> str:
        """Everything that the processes wrote to stdout and stderr."""
        return "".join(f"--- {log.name}\n{log.read_text()}" for log in self._logs)

    def _start(self, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
        log = self._folder / f"{len(self._logs)}-{'-'.join(words).replace('/', '_')[:60]}.log"
        self._logs.append(log)
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "pipeline.cli", *words, "--config", str(self._file)],
                cwd=ROOT,
                env=environment(),
                stdout=output,
                stderr=output,
            )
        self._running.append(process)
        return process


def environment() -> dict[str, str]:
    """This environment without settings of leakline: it may name a real Slack."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEAKLINE_")}


@contextmanager
def clickhouse(folder: Path) -> Iterator[StoreConfig]:
    """ClickHouse's HTTP interface as a process, with its data in a folder."""
    with subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "tests.support.clickhouse_front", "--path", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield StoreConfig(host="127.0.0.1", port=port, batch_seconds=0.2)
        finally:
            process.kill()
