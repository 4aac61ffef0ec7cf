"""`leakline run`: a process for each role, which live and end together."""

import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from pipeline.config import Config, ConfigError
from pipeline.counts import Metrics
from pipeline.form import form
from pipeline.garbage import collect_seldom
from pipeline.huge_pages import use_huge_pages
from pipeline.logs import log_to_stderr, shows_tracebacks
from pipeline.metrics import WORKER_METRICS
from pipeline.roles import ROLES
from pipeline.stopping import ending_at_once, stop_signals
from pipeline.workers.connection import group_name, topic_name
from schemas.redaction import scrub_text

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 10.0
"""From the signal to the end; what has not ended by then is killed."""
ENDED = {0, *(-number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))}
"""Exit codes of workers that were told to end, some of them before they had begun."""

Start = Callable[[str, Config], None]
"""Runs a role in this process until a signal; raises what it cannot go on after."""


class WorkerFailedError(Exception):
    """A role ended by itself; the others were stopped."""


def run_roles(config: Config, roles: Sequence[str]) -> int:
    """Run roles until a signal: one in this process, several in one process each.

    Returns:
        0, after a signal.

    Raises:
        BrokerError: the broker or the topics are not as they should be.
        WorkerFailedError: a role could not go on.
    """
    from pipeline.workers.topics_admin import check_topics  # noqa: PLC0415 - help needs no broker

    check_topics(config, roles)
    if len(roles) > 1:
        _supervise(config, roles, start_role)
    elif _guarded(roles[0], config, start_role):
        raise WorkerFailedError(f"{roles[0]} ended by itself")
    return 0


def start_role(name: str, config: Config) -> None:
    """Run a role in this process until a signal.

    Raises:
        Exception: what it cannot go on after.
    """
    from pipeline.workers.app import run_worker  # noqa: PLC0415 - only workers carry Faust
    from pipeline.workers.compose import build_role  # noqa: PLC0415

    collect_seldom()
    use_huge_pages()
    counts = Metrics(WORKER_METRICS)
    role = build_role(name, config, counts)
    if config.metrics_port is not None:
        _show(counts, config.metrics_host, config.metrics_port + ROLES.index(name))
    topics = ", ".join(topic_name(config.kafka, topic) for topic in role.topics)
    log.info("%s (%s) reads %s", group_name(config.kafka, name), form(), topics)
    run_worker(config.kafka, role)


def _show(counts: Metrics, host: str, port: int) -> None:
    try:
        counts.serve(host, port)
    except OSError as error:
        raise ConfigError(
            f"metrics_port: cannot listen on {host}:{port}: {error.strerror}"
        ) from None


def _supervise(config: Config, roles: Sequence[str], start: Start) -> None:
    # spawned: the embedded store and event loops do not survive a fork
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(role, config, start), name=role) for role in roles
    ]
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopped.append(number)
        _terminate(workers)

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        for worker in workers:
            worker.start()
        if stopped:  # while some were not there yet
            _terminate(workers)
        over = wait([worker.sentinel for worker in workers])
        ended = [worker.name for worker in workers if worker.sentinel in over]
        if not stopped:
            _terminate(workers)
        _join(workers)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    failed = [each.name for each in workers if each.exitcode not in ENDED]
    if not stopped or failed:
        raise WorkerFailedError(f"{', '.join(failed or ended)} ended by itself")


def _work(role: str, config: Config, start: Start) -> None:
    with ending_at_once():
        sys.exit(_guarded(role, config, start))


def _guarded(role: str, config: Config, start: Start) -> int:
    """Run a role; 1 when it failed, which is said in one line."""
    log_to_stderr(role)
    try:
        start(role, config)
    except Exception as error:
        if shows_tracebacks():
            raise
        text = scrub_text(f"{type(error).__name__}: {error}".partition("\n")[0])
        log.error("%s", text)  # noqa: TRY400 # one line
        return 1
    return 0


def _join(workers: Sequence[BaseProcess]) -> None:
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.exitcode is None:
            worker.kill()
            worker.join()


def _terminate(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        if worker.pid is not None and worker.is_alive():
            worker.terminate()
