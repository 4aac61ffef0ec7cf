"""`make bench-replay DATA=DIR`: recorded traffic through `leakline replay --store`, and its totals.

What the store says about each key is held against the same file, added up in plain Python from
list prices: requests, tokens and nano-dollars have to be equal, in every table and granularity.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.evaluate.tables import table
from schemas.usage_event import UsageEvent
from tests.benchmarks import azure, servegen
from tests.benchmarks.harness import Figures, Options, say, timed

AZURE_FILE = "azure-llm-2023-conv.csv"
SERVEGEN_FILE = "servegen/language-m-mid.csv.gz"
AZURE_KEYS = 20
EVENTS_PER_CLIENT_MAX = 20_000
LIST_PRICES = {"gpt-4o-mini": (150, 600), "gpt-4o": (2_500, 10_000)}
"""Nano-dollars for a token of input and of output: $0.15 and $0.60, $2.50 and $10 a million."""
TOTALS = """
SELECT 'usage_events' AS part, key_id, count(), sum(input_tokens), sum(output_tokens), sum(cost_usd)
FROM v_usage_events GROUP BY key_id
UNION ALL
SELECT concat('spend_windows ', granularity) AS part, key_id,
    sum(requests), sum(input_tokens), sum(output_tokens), sum(spend_usd)
FROM v_spend_windows GROUP BY granularity, key_id
"""
PARTS = ("usage_events", "spend_windows 1m", "spend_windows 1h", "spend_windows 1d")


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one key."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanos: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.nanos + other.nanos,
        )


ByKey = dict[str, Totals]


def write_events(events: Iterable[UsageEvent], path: Path) -> None:
    """Events as a file that a replay reads."""
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.writelines(encode(event) + b"\n" for event in events)


def counted(path: Path) -> ByKey:
    """The totals of a file, from nothing but its lines and the list prices."""
    found: defaultdict[str, Totals] = defaultdict(Totals)
    with path.open() as file:
        for event in map(json.loads, file):
            taken, given = event["input_tokens"], event["output_tokens"]
            of_input, of_output = LIST_PRICES[event["model"]]
            cost = taken * of_input + given * of_output
            found[event["key_id"]] += Totals(1, taken, given, cost)
    return dict(found)


def stored(folder: Path) -> dict[str, ByKey]:
    """The totals that a store holds, by the part of it that says so."""
    answer = _leakline("query", "--sql", TOTALS, "--store", str(folder), "--format", "csv")
    found: dict[str, ByKey] = {part: {} for part in PARTS}
    for part, key_id, requests, taken, given, dollars in list(csv.reader(answer.splitlines()))[1:]:
        found[part][key_id] = Totals(int(requests), int(taken), int(given), _nanos(dollars))
    return found


def replay(events: Path, folder: Path) -> None:
    """`leakline replay --events FILE --store DIR`, as a process."""
    _leakline("replay", "--events", str(events), "--store", str(folder))


def differences(expected: ByKey, found: dict[str, ByKey]) -> list[str]:
    """A line for each total that is not as expected."""
    return [
        f"{part}: {key}: {by_key.get(key)} instead of {expected.get(key)}"
        for part, by_key in found.items()
        for key in sorted(expected.keys() | by_key.keys())
        if by_key.get(key) != expected.get(key)
    ]


def measure(options: Options) -> Figures | None:
    """The totals of Azure's hour and of ServeGen's fortnight, twice each."""
    if options.data is None:
        say(f"replay: --data DIR with {AZURE_FILE} and {SERVEGEN_FILE} is needed", error=True)
        return None
    limit = int(EVENTS_PER_CLIENT_MAX * options.scale)
    clients, _ = servegen.fleet(options.data / SERVEGEN_FILE, events_per_client_max=limit)
    sources: dict[str, Iterable[UsageEvent]] = {
        "azure": azure.events(options.data / AZURE_FILE, keys=AZURE_KEYS),
        "servegen": clients,
    }
    figures: Figures = {"data": ", ".join(sources)}
    for name, events in sources.items():
        figures |= _compare(name, events)
    return figures


def _compare(name: str, events: Iterable[UsageEvent]) -> Figures:
    with tempfile.TemporaryDirectory() as scratch:
        file, folder = Path(scratch) / f"{name}.jsonl", Path(scratch) / "store"
        write_events(events, file)
        with timed() as watch:
            replay(file, folder)
        expected, found = counted(file), stored(folder)
    wrong = differences(expected, found)
    sums = {"the file": _sum(expected)} | {part: _sum(by_key) for part, by_key in found.items()}
    say(f"{name}: {len(expected)} keys, {watch.seconds:.0f} s of replay")
    rows = [
        (part, f"{t.requests:,}", f"{t.input_tokens:,}", f"{t.output_tokens:,}", f"{t.nanos:,}")
        for part, t in sums.items()
    ]
    say(table(("totals of", "requests", "input tokens", "output tokens", "nano-dollars"), rows))
    say("\n".join(wrong) or "every total of every key is equal")
    return {
        f"replay_{name}_events": sums["the file"].requests,
        f"replay_{name}_keys": len(expected),
        f"replay_{name}_totals_compared": len(expected) * len(found),
        f"replay_{name}_totals_wrong": len(wrong),
        f"replay_{name}_seconds": round(watch.seconds, 1),
    }


def _sum(by_key: ByKey) -> Totals:
    return sum(by_key.values(), Totals())


def _nanos(dollars: str) -> int:
    """Nano-dollars of a decimal number; nine places at most, so nothing is rounded."""
    whole, _, places = dollars.partition(".")
    return int(whole + places.ljust(9, "0"))


def _leakline(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "pipeline.cli", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"leakline {words[0]}: {done.stderr.strip()}")
    return done.stdout
