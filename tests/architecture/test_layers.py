"""The shape of the source: who may import whom, what stays pure, how long things get."""

import ast
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import rules

Rule = Callable[[str, ast.Module], list[str]]
RULES: tuple[Rule, ...] = (
    rules.wrong_direction,
    rules.strangers,
    rules.undeclared,
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
    (rules.undeclared, "pipeline/x.py", "import yarl"),
    (rules.undeclared, "pipeline/x.py", "import pytest"),
    (rules.undeclared, "tests/x.py", "import yarl"),
    (rules.impure, "detectors/x.py", "import time"),
    (rules.impure, "schemas/x.py", "from os import environ"),
    (rules.impure, "pipeline/enrich/x.py", "from pipeline.config import Network"),
    (rules.impure, "pipeline/engine/x.py", "from pipeline import config"),
    (rules.impure, "pipeline/engine/x.py", "at = datetime.now(UTC)"),
    (rules.dangerous, "pipeline/x.py", "import pickle"),
    (rules.dangerous, "pipeline/x.py", "eval('1')"),
    (rules.too_long, "pipeline/x.py", "def f():\n" + "    x = 1\n" * 50),
    (rules.undocumented, "pipeline/x.py", "x = 1"),
    (rules.undocumented, "schemas/x.py", '"""Doc."""\nclass Thing:\n    pass'),
]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse((rules.ROOT / path).read_text())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    broken = [
        f"{path}: {problem}"
        for path in rules.source_files()
        for problem in rule(path.as_posix(), _parsed(path))
    ]
    assert not broken, "\n".join(broken)


def test_the_tests_import_what_is_declared() -> None:
    elsewhere = Path("tests/benchmarks/quix_spend.py")  # runs in an environment of its own
    broken = {
        path.as_posix(): problems
        for path in rules.files_of_tests()
        if path != elsewhere and (problems := rules.undeclared(path.as_posix(), _parsed(path)))
    }
    assert not broken


@pytest.mark.parametrize(("rule", "path", "source"), OFFENDERS)
def test_the_rule_bites(rule: Rule, path: str, source: str) -> None:
    assert rule(path, ast.parse(source))


def test_a_module_is_about_one_idea() -> None:
    lines = {path: (rules.ROOT / path).read_text().count("\n") for path in rules.source_files()}
    long = {path: count for path, count in lines.items() if count > rules.MODULE_LINES_USUAL}
    assert max(lines.values()) <= rules.MODULE_LINES_MAX, long
    assert len(long) <= rules.LONG_MODULES_SHARE_MAX * len(lines), long


def test_functions_are_short() -> None:
    sizes = [size for path in rules.source_files() for size in rules.function_lines(_parsed(path))]
    assert statistics.median(sizes) <= rules.FUNCTION_LINES_MEDIAN_MAX


def test_every_rule_has_an_offender() -> None:
    assert {rule for rule, _, _ in OFFENDERS} == set(RULES)


@pytest.mark.parametrize("package", rules.PACKAGES)
def test_whoever_imports_a_package_sees_its_types(package: str) -> None:
    assert (rules.ROOT / package / "py.typed").is_file()
