"""What libraries repeat is written once in a while; everything else always."""

import logging
import subprocess
import sys

from pipeline.logs import REPEAT_SECONDS, OneLine, Seldom
from tests.support.installation import ROOT


def record(text: str, name: str = "aiokafka.consumer.fetcher") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, "%s", (text,), None)


def test_a_text_comes_once_in_a_while_with_a_count() -> None:
    at = [100.0]
    seldom = Seldom(lambda: at[0])
    assert seldom.filter(record("no node"))
    assert not any(seldom.filter(record("no node")) for _ in range(1234))
    assert seldom.filter(record("another"))
    assert not seldom.filter(record("another"))
    at[0] += REPEAT_SECONDS
    for text, count in (("no node", "1,234"), ("another", "1")):
        again = record(text)
        assert seldom.filter(again)
        assert again.getMessage() == f"{text} ({count} times more since it was said)"
    assert not seldom.filter(record("no node"))


def test_others_may_repeat_themselves() -> None:
    seldom = Seldom()
    assert all(seldom.filter(record("said", "pipeline.sink")) for _ in range(3))


def test_what_is_over_is_forgotten() -> None:
    at = [0.0]
    seldom = Seldom(lambda: at[0])
    for number in range(100):
        at[0] += REPEAT_SECONDS
        seldom.filter(record(f"offset {number}"))
    assert len(seldom._told) == 2


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    failed = record("a \x1b[31mtext\nof two lines")
    failed.exc_info = (ValueError, ValueError("one\ntwo"), None)
    line = OneLine("%(name)s: %(message)s").format(failed)
    assert line.startswith(r"aiokafka.consumer.fetcher: a \u001b[31mtext\nof two lines\nValueError")
    assert line.endswith(r"one\ntwo")
    assert line.isprintable()


def test_a_program_that_logs_to_stderr_has_it() -> None:
    program = """
import logging
from pipeline.logs import log_to_stderr
log_to_stderr("sink")
for _ in range(1000):
    logging.getLogger("aiokafka").error("Unable connect to node with id %s", 1)
"""
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith("ERROR sink aiokafka: Unable connect to node with id 1")
