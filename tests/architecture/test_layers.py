"""The shape of the source: who may import whom, what stays pure, how long things get."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import rules

Rule = Callable[[str, ast.Module], list[str]]
RULES: tuple[Rule, ...] = (
    rules.wrong_direction,
    rules.strangers,
    rules.impure,
    rules.dangerous,
    rules.too_long,
    rules.undocumented,
)

# For each rule, a module that breaks it. A rule that lets its own example pass guards nothing.
OFFENDERS: list[tuple[Rule, str, str]] = [
    (rules.wrong_direction, "schemas/x.py", "from pipeline import message"),
    (rules.wrong_direction, "detectors/x.py", "import pipeline.config"),
    (rules.wrong_direction, "pipeline/x.py", "from tests.support import fake_slack"),
    (rules.strangers, "pipeline/engine/x.py", "import faust"),
    (rules.strangers, "pipeline/cli/x.py", "def f():\n    import clickhouse_connect.driver"),
    (rules.impure, "detectors/x.py", "import time"),
    (rules.impure, "schemas/x.py", "from os import environ"),
    (rules.impure, "pipeline/engine/x.py", "at = datetime.now(UTC)"),
    (rules.dangerous, "pipeline/x.py", "import pickle"),
    (rules.dangerous, "pipeline/x.py", "eval('1')"),
    (rules.too_long, "pipeline/x.py", "def f():\n" + "    x = 1\n" * 50),
    (rules.undocumented, "pipeline/x.py", "x = 1"),
    (rules.undocumented, "schemas/x.py", '"""Doc."""\nclass Thing:\n    pass'),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    broken = [
        f"{path}: {problem}"
        for path in rules.source_files()
        for problem in rule(path.as_posix(), ast.parse((rules.ROOT / path).read_text()))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "source"), OFFENDERS)
def test_the_rule_bites(rule: Rule, path: str, source: str) -> None:
    assert rule(path, ast.parse(source))


@pytest.mark.parametrize("path", rules.source_files(), ids=str)
def test_a_module_is_about_one_idea(path: Path) -> None:
    lines = (rules.ROOT / path).read_text().count("\n")
    assert lines <= rules.MODULE_LINES_MAX


def test_every_rule_has_an_offender() -> None:
    assert {rule for rule, _, _ in OFFENDERS} == set(RULES)
