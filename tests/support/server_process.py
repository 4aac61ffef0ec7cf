"""The HTTP server as a process of its own, as the command line runs it."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.config import Kafka

ROOT = Path(__file__).parents[2]
SIGNING_SECRET = "a signing secret"


class ServerProcess:
    """`run_server` in a process of its own."""

    def __init__(self, folder: Path, kafka: Kafka, **serve: object) -> None:
        config = {
            "kafka": kafka.model_dump(mode="json", exclude_none=True),
            "serve": {"port": 0, "tokens": {"gw": "token-1"}} | serve,
            "slack": {"signing_secret": SIGNING_SECRET},
            "store": {"path": str(folder / "no-store")},
        }
        program = f"""
            import json, sys
            from pipeline.cli.problems import run_guarded
            from pipeline.config import Config
            from pipeline.serve.server import run_server
            config = Config.model_validate(json.loads({json.dumps(config)!r}))
            sys.exit(run_guarded(lambda: run_server(config)))
        """
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline().strip()

    def url(self) -> str:
        return self.line().rpartition(" ")[2]
