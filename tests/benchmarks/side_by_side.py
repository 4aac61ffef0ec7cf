"""Other stream processors on the same broker and messages, in environments of their own.

They are fetched when a benchmark first needs them, below `.cache`, and never into the project's.
"""

import asyncio
import hashlib
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from pipeline.config import Kafka
from pipeline.workers.connection import topic_name
from schemas.topics import USAGE_EVENTS
from tests.benchmarks.harness import say

QUIX = "quixstreams==3.28.1"
CACHE = Path(__file__).parents[2] / ".cache"
INSTALL_SECONDS_MAX = 300
RUN_SECONDS_MAX = 180
SCRIPT = Path(__file__).with_name("quix_spend.py")
STREAMS = Path(__file__).with_name("kafka_streams")


async def quix_messages_per_s(kafka: Kafka, messages: int) -> float | None:
    """Messages a second of spend per key and minute; None when it cannot be installed here."""
    try:
        python = await asyncio.to_thread(_installed, QUIX)
        with tempfile.TemporaryDirectory() as folder:
            topic = topic_name(kafka, USAGE_EVENTS)
            words = [str(python), str(SCRIPT), kafka.brokers, topic, str(messages), folder]
            return float(await asyncio.to_thread(_run, words, RUN_SECONDS_MAX))
    except subprocess.SubprocessError as error:
        say(f"{QUIX}: not measured: {error}", error=True)
        return None


async def streams_messages_per_s(kafka: Kafka, messages: int) -> float | None:
    """The same with Kafka Streams; None where there is no Java or Maven."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        say("Kafka Streams: not measured: it needs Java and Maven (mvn)", error=True)
        return None
    try:
        libs = await asyncio.to_thread(_jars, maven)
        with tempfile.TemporaryDirectory() as folder:
            topic = topic_name(kafka, USAGE_EVENTS)
            words = [java, "-cp", f"{libs}/*", str(STREAMS / "SpendPerKey.java")]
            words += [kafka.brokers, topic, str(messages), folder]
            return float(await asyncio.to_thread(_run, words, RUN_SECONDS_MAX))
    except subprocess.SubprocessError as error:
        say(f"Kafka Streams: not measured: {error}", error=True)
        return None


def _jars(maven: str) -> Path:
    """The folder of Kafka Streams' jars."""
    pom = STREAMS / "pom.xml"
    folder = CACHE / "kafka-streams" / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    done = folder / "fetched"
    if not done.exists():
        words = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        _run([*words, f"-DoutputDirectory={folder}"], INSTALL_SECONDS_MAX)
        done.touch()
    return folder


def _installed(package: str) -> Path:
    """The interpreter of an environment that has the package."""
    folder = CACHE / package.replace("==", "-")
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "--quiet", package], INSTALL_SECONDS_MAX)
        done.touch()
    return python


def _run(words: list[str], seconds: float) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        words, check=True, timeout=seconds, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    )
    return done.stdout
