"""Rules about the source, each a function from a parsed module to what is wrong with it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "detectors", "pipeline")


def _named(requirements: Iterable[str]) -> set[str]:
    """The distributions of requirements, as an index spells them."""
    names = (re.match(r"[\w.-]+", each) for each in requirements)
    return {_spelled(name[0]) for name in names if name}


def _spelled(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PRODUCT_NEEDS = _named(_PROJECT["dependencies"])
TESTS_NEED = PRODUCT_NEEDS | _named(_PROJECT["optional-dependencies"]["dev"])
DISTRIBUTIONS = packages_distributions()

MODULE_LINES_USUAL = 300
MODULE_LINES_MAX = 400
LONG_MODULES_SHARE_MAX = 0.06
"""Of all modules, those that may have more lines than usual."""
FUNCTION_LINES_MEDIAN_MAX = 10
FUNCTION_LINES_MAX = 50

MAY_IMPORT = {
    "schemas": {"schemas"},
    "detectors": {"detectors", "schemas"},
    "pipeline": {"pipeline", "detectors", "schemas"},
}
"""Imports point one way."""

HOMES = {
    "faust": "pipeline/workers/",
    "mode": "pipeline/workers/",
    "clickhouse_connect": "pipeline/store/",
    "chdb": "pipeline/store/",
    "slack_sdk": "pipeline/",
    "typer": "pipeline/cli/",
}
"""Libraries that one package alone may know."""

CORE = (
    "schemas/",
    "detectors/",
    "pipeline/accept.py",
    "pipeline/engine/",
    "pipeline/enrich/",
    "pipeline/journal.py",
    "pipeline/message.py",
)
"""What is pure, and imports nothing of ours that is not."""
OUTSIDE_WORLD = {
    "aiohttp",
    "aiokafka",
    "asyncio",
    "kafka",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "urllib",
    "uuid",
}
"""What the pure core has no use for: clocks, chance, the network, the environment."""
CLOCKS = {"now", "utcnow", "today"}
DANGEROUS_IMPORTS = {"pickle", "marshal", "shelve", "dill", "yaml"}
DANGEROUS_CALLS = {"eval", "exec"}


def source_files() -> list[Path]:
    """Every Python file of the product, relative to the root."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


def files_of_tests() -> list[Path]:
    """Every Python file of the tests, relative to the root."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def wrong_direction(path: str, tree: ast.AST) -> list[str]:
    """Imports against the direction, or of the tests."""
    allowed = MAY_IMPORT[path.split("/", maxsplit=1)[0]]
    ours = {*PACKAGES, "tests"}
    tops = {name.split(".")[0] for name in imports(tree)}
    return sorted(f"imports {top}" for top in tops & ours - allowed)


def strangers(path: str, tree: ast.AST) -> list[str]:
    """Libraries imported outside their home."""
    tops = {name.split(".")[0] for name in imports(tree)}
    return sorted(
        f"imports {top}, which belongs to {home}"
        for top, home in HOMES.items()
        if top in tops and not path.startswith(home)
    )


def undeclared(path: str, tree: ast.AST) -> list[str]:
    """Libraries that pyproject.toml does not name: they are there as long as another needs them."""
    declared = TESTS_NEED if path.startswith("tests/") else PRODUCT_NEEDS
    tops = {name.split(".")[0] for name in imports(tree)}
    return sorted(
        f"imports {top}, which pyproject.toml does not name"
        for top in tops - sys.stdlib_module_names - {*PACKAGES, "tests"}
        if not declared & {_spelled(name) for name in DISTRIBUTIONS.get(top, ())}
    )


def impure(path: str, tree: ast.AST) -> list[str]:
    """What a module of the core imports or calls of the outside world."""
    if not path.startswith(CORE):
        return []
    names = set(imports(tree))
    found = [f"imports {top}" for top in {name.split(".")[0] for name in names} & OUTSIDE_WORLD]
    found += [f"imports {name}" for name in names if _is_ours(name) and not _is_of_the_core(name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr in CLOCKS and isinstance(owner, ast.Name | ast.Attribute):
                found.append(f"line {node.lineno} reads a clock")
    return sorted(found)


def _is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in PACKAGES


def _is_of_the_core(module: str) -> bool:
    path = module.replace(".", "/")
    return path.startswith(CORE) or f"{path}/" in CORE or f"{path}.py" in CORE


def dangerous(_: str, tree: ast.AST) -> list[str]:
    """Anything that runs data as code."""
    tops = {name.split(".")[0] for name in imports(tree)}
    found = [f"imports {top}" for top in tops & DANGEROUS_IMPORTS]
    found += [
        f"line {node.lineno} calls {node.func.id}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in DANGEROUS_CALLS
    ]
    return sorted(found)


def too_long(path: str, tree: ast.AST) -> list[str]:
    """Functions beyond the limit, their docstrings not counted."""
    del path
    return [
        f"line {node.lineno}: {node.name} has {size} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := _lines(node)) > FUNCTION_LINES_MAX
    ]


def function_lines(tree: ast.AST) -> list[int]:
    """Length of every function, its docstring not counted."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [_lines(node) for node in ast.walk(tree) if isinstance(node, kinds)]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


CONTRACTS = (
    "schemas/",
    "detectors/contract.py",
    "detectors/key_view.py",
    "pipeline/config.py",
    "pipeline/journal.py",
    "pipeline/message.py",
    "pipeline/accept.py",
    "pipeline/engine/__init__.py",
    "pipeline/replay/",
)


def undocumented(path: str, tree: ast.Module) -> list[str]:
    """A module without a docstring; in a contract, also public names without one."""
    found = [] if ast.get_docstring(tree) else ["has no docstring"]
    if not path.startswith(CONTRACTS):
        return found
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for node in tree.body:
        if not isinstance(node, definitions) or node.name.startswith("_"):
            continue
        members = [child for child in node.body if isinstance(child, definitions)]
        found += [
            f"line {each.lineno}: {each.name} has no docstring"
            for each in (node, *members)
            if not each.name.startswith("_") and not ast.get_docstring(each)
        ]
    return found
