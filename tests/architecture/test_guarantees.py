"""Every guarantee has limits and names what holds it, and all that is named exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.rules import ROOT
from tests.faults.real_faults import FAULTS
from tests.faults.world import SCENARIOS

SECURITY = ROOT / "docs" / "security.md"
PAGE = ROOT / "docs" / "guarantees.md"
REAL = {fault.__name__ for fault in FAULTS}
WORLDS = {scenario.name for scenario in SCENARIOS}


def sections(text: str) -> dict[str, str]:
    """The text under each heading."""
    heading, *parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    del heading
    return dict(zip(parts[::2], parts[1::2], strict=True))


def missing(section: str) -> list[str]:
    """Tests that a guarantee names and that are not there; itself, when it names none."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", section.partition("*Held by*")[2])
    if not named:
        return ["no test is named"]
    return [f"{file}::{name}" for file, name in named if name not in functions_of(ROOT / file)]


@cache
def functions_of(file: Path) -> frozenset[str]:
    """Names of the functions of a module that pytest runs."""
    if not file.exists():
        return frozenset()
    found = ast.walk(ast.parse(file.read_text()))
    functions = (each for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def faults(text: str) -> tuple[set[str], set[str]]:
    """Faults of the real stack, and worlds, that guarantees say they were disturbed by."""
    named = re.findall(r"^\*Disturbed by\* ([^.]*)\.$", text, flags=re.MULTILINE)
    parts = [each.partition("in worlds by") for each in named]
    found = [re.findall("`([^`]+)`", " ".join(side)) for side in zip(*parts, strict=True)]
    return set(found[0]), set(found[2])


@pytest.mark.parametrize("name", sections(PAGE.read_text()))
def test_a_guarantee_has_limits_and_names_tests_that_exist(name: str) -> None:
    section = sections(PAGE.read_text())[name]
    assert "*Limits.*" in section
    assert missing(section) == []


def test_what_stops_attackers_names_tests_that_exist() -> None:
    holds = sections(SECURITY.read_text())["What holds that"]
    rows = [line for line in holds.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 9
    assert [missing("*Held by* " + row) for row in rows] == [[]] * len(rows)


def test_there_is_a_guarantee_for_each_promise() -> None:
    assert len(sections(PAGE.read_text())) >= 12


def test_every_fault_is_named_where_it_could_break_something() -> None:
    real, worlds = faults(PAGE.read_text())
    assert (real, worlds) == (REAL, WORLDS)


def test_what_is_not_there_is_found() -> None:
    here = "tests/architecture/test_guarantees.py"
    assert missing("Whatever. *Held by* nobody") == ["no test is named"]
    assert missing(f"*Held by* `{here}::test_of_tea`") == [f"{here}::test_of_tea"]
    assert missing(f"*Held by* `{here}::test_what_is_not_there_is_found`.") == []
    assert missing("*Held by* `tests/gone.py::test_gone`") == ["tests/gone.py::test_gone"]
    assert faults("*Disturbed by* `a`,\n`b`, and in worlds by `c -9`.\n") == ({"a", "b"}, {"c -9"})
