"""`python -m tests.support.judge_examples OUT`: what detectors say in their examples, as JSON."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

from detectors.discovery import all_detectors
from pipeline.engine import PartitionFold
from pipeline.engine.witness import Look
from pipeline.form import form
from tests.support.events import rules, run


def judge_examples() -> dict[str, list[str]]:
    """By detector: its findings in the examples on which it fires, as Python would write them."""
    said: dict[str, list[str]] = {each.name: [] for each in all_detectors()}

    def hear(look: Look) -> None:
        nats = None if look.forgiven_by is not None else look.conclusion.nats
        for each in look.evidence:
            told = f"{look.key_id} {look.at!r} {each.finding!r} {nats!r}"
            said[each.detector.name].append(told)

    heard = dataclasses.replace(rules(), witness=hear)
    for name in sorted(said):
        for example in importlib.import_module(f"tests.detectors.test_{name}").FIRES.values():
            run(example(), PartitionFold(heard))
    return said


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"form": form(), "said": judge_examples()}))
