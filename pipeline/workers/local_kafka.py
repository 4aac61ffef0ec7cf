"""Apache Kafka on this machine: one KRaft node from Maven Central on the machine's Java.

For the streaming demo, the tests and the benchmarks; not a way to run Kafka in earnest.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0
FETCH_SECONDS_MAX = 600.0
_CLUSTER_ID = "bGVha2xpbmUtLWxvY2FsLQ"
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms128m", "-Xmx512m")
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.cleaner.dedupe.buffer.size=8388608
"""


class BrokerUnavailableError(Exception):
    """No local broker can be had; the text says what is missing."""


def pom_file() -> Path:
    """The Maven project that names the broker: beside this module when installed."""
    installed = Path(__file__).with_name("kafka-pom.xml")
    return installed if installed.exists() else Path(__file__).parents[2] / "deploy/kafka/pom.xml"


def default_cache() -> Path:
    """Where the broker's files are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "leakline" / "kafka"


def fetch(cache: Path) -> Path:
    """The folder of the broker's jars, fetched with Maven unless it is there already.

    Raises:
        BrokerUnavailableError: there is no Maven, or it failed.
    """
    pom = pom_file()
    cache = cache.resolve()  # Maven would take a relative folder from where the pom is
    home = cache / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if home.exists():
        return home
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailableError("a local Kafka needs Maven (mvn) to be fetched")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        libs = Path(scratch) / "libs"
        _call(
            maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
            f"-DoutputDirectory={libs}", "-DincludeScope=runtime",
        )  # fmt: skip
        try:
            libs.rename(home)
        except OSError:  # another process was quicker
            if not home.exists():
                raise
    return home


class LocalKafka:
    """A broker process and its data folder. `stop` and `kill` keep the data for `start`."""

    def __init__(self, cache: Path | None = None, more: str = "") -> None:
        """Fetch the broker and format its storage.

        Args:
            cache: where its files are kept; None: the user's cache.
            more: lines of `server.properties` that win over the usual ones; `{port}` and
                `{controller}` stand for its ports.

        Raises:
            BrokerUnavailableError: there is no Java, or it cannot be fetched.
        """
        self._java = _java()
        self._libs = fetch(cache or default_cache())
        self._folder = tempfile.TemporaryDirectory(prefix="leakline-kafka-")
        self._root = Path(self._folder.name)
        self._properties = self._root / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        self.port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._properties.write_text(
            (_PROPERTIES + more).format(
                port=self.port, controller=controller, data=self._root / "data"
            )
        )
        _call(
            *self._command("kafka.tools.StorageTool"), "format",
            "-t", _CLUSTER_ID, "-c", str(self._properties),
        )  # fmt: skip

    def start(self) -> None:
        """Start the broker and wait until it takes connections.

        Raises:
            BrokerUnavailableError: it ended, or did not answer in time.
        """
        with (self._root / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [*self._command("kafka.Kafka"), str(self._properties)],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the program, which then stops the broker
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerUnavailableError(f"the local Kafka did not start: {self._last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the broker in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker as a crash would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End the broker and delete its data."""
        self.kill()
        self._folder.cleanup()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _command(self, main: str) -> list[str]:
        return [self._java, *_JVM, "-cp", f"{self._libs}/*", main]

    def _last_words(self) -> str:
        lines = (self._root / "broker.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise BrokerUnavailableError("a local Kafka needs Java 17 or later (java)")
    return java


def _call(*command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command, capture_output=True, check=False, timeout=FETCH_SECONDS_MAX
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerUnavailableError(f"{Path(command[0]).name}: {error}") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        said = lines[0] if lines else f"exit code {done.returncode}"
        raise BrokerUnavailableError(f"{Path(command[0]).name} failed: {said}")


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
