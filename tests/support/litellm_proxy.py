"""A real LiteLLM proxy without a database, set up as `deploy/litellm` says, its model a mock."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.workers.local_kafka import free_ports
from tests.support.installation import ROOT, environment

LOCK = ROOT / "tests" / "end_to_end" / "litellm.lock"
VENV = ROOT / ".cache" / "litellm"
DEPLOY = ROOT / "deploy" / "litellm"
START_SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 30.0
CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: {upstream_key}
      mock_response: "{completion}"
litellm_settings:
  callbacks: ["leakline_logger.leakline"]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  use_x_forwarded_for: true
  custom_auth: leakline_revocations.custom_auth
"""
PROMPT = "planted prompt: how long do I boil it?"
COMPLETION = "planted completion: for an hour."
UPSTREAM_KEY = "sk-planted-upstream-5a4b3c2d1e0f9a8b"


class SetUpError(Exception):
    """LiteLLM cannot be installed here."""


def available() -> Path:
    """LiteLLM's scripts; without them the test ends, and in CI, where nothing is left out, fails.

    Raises:
        SetUpError: in CI.
    """
    try:
        return install(VENV, LOCK)
    except SetUpError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"LiteLLM cannot be installed: {error}")


def install(folder: Path, lock: Path) -> Path:
    """LiteLLM in a virtual environment, kept while the lock file stays; where its scripts are.

    Raises:
        SetUpError: with what pip said last.
    """
    stamp, digest = folder / "lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
        # Compiling 700 MB of modules takes longer than importing the few that are used.
        wanted = ["--no-compile", "--no-deps", "--require-hashes", "--requirement", str(lock)]
        done = subprocess.run(  # noqa: S603 - our own command line
            [*pip, "--quiet", *wanted], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SetUpError(done.stderr.strip().rpartition("\n")[2])
        stamp.write_text(digest)
    return folder / "bin"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy, and the receiver of leakline's webhooks beside it."""

    url: str
    receiver: str
    process: subprocess.Popen[bytes]

    def ask(self, key: str, address: str) -> int:
        """A chat request with a key from an address; the HTTP status."""
        question = {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}]}
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/v1/chat/completions",
            json.dumps(question).encode(),
            {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "X-Forwarded-For": address,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - see above
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def stop(self) -> None:
        """End the proxy in good order."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS_MAX)


@contextmanager
def proxy(scripts: Path, folder: Path, keys: Mapping[str, str], **secrets: str) -> Iterator[Proxy]:
    """A proxy in a folder, with leakline's two files beside its configuration.

    Args:
        scripts: where `litellm` is.
        folder: of the proxy; made.
        keys: the alias of each key.
        secrets: further variables of both processes' environment.
    """
    folder.mkdir()
    for name in ("leakline_logger.py", "leakline_revocations.py"):
        shutil.copy(DEPLOY / name, folder)
    (folder / "config.yaml").write_text(
        CONFIG.format(upstream_key=UPSTREAM_KEY, completion=COMPLETION)
    )
    known = {hashlib.sha256(key.encode()).hexdigest(): alias for key, alias in keys.items()}
    about = {digest: {"key_alias": alias, "team_id": alias} for digest, alias in known.items()}
    (folder / "keys.json").write_text(json.dumps(about))
    port, receiver_port = free_ports(2)
    settings = environment() | secrets | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    commands = (
        [sys.executable, "leakline_revocations.py", f"127.0.0.1:{receiver_port}"],
        [str(scripts / "litellm"), "--config=config.yaml", "--host=127.0.0.1", f"--port={port}"],
    )
    log = folder / "processes.log"
    started: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as output:
        try:
            for command in commands:
                started.append(  # noqa: PERF401 - those that started are ended in any case
                    subprocess.Popen(  # noqa: S603 - our own command lines
                        command, cwd=folder, env=settings, stdout=output, stderr=output
                    )
                )
            url, receiver = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{receiver_port}"
            _wait_for(f"{url}/health/liveliness", started, log)
            yield Proxy(url, receiver, started[-1])
        finally:
            for process in started:
                process.kill()
                process.wait()


def _wait_for(url: str, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        assert all(each.poll() is None for each in processes), log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.2)
