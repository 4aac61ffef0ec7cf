"""Each guarantee names the tests that hold it, and its limits; the tests are there."""

import ast
import re
from functools import cache

import pytest

from tests.architecture.reference import DOCS, ROOT

TEXT = (DOCS / "guarantees.md").read_text()
SECTIONS = dict(
    zip(
        re.findall(r"^## (.+)$", TEXT, re.MULTILINE),
        re.split(r"^## .+$", TEXT, flags=re.MULTILINE)[1:],
        strict=True,
    )
)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the functions of a module."""
    tree = ast.parse((ROOT / path).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize("guarantee", SECTIONS)
def test_a_guarantee_has_limits_and_tests(guarantee: str) -> None:
    body = SECTIONS[guarantee]
    held_by = body.partition("*Held by*")[2]
    assert "*Limits.*" in body
    assert _NAMED.findall(held_by)


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(TEXT))))
def test_a_named_test_exists(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(path)


def test_there_is_a_guarantee_for_each_promise() -> None:
    assert len(SECTIONS) >= 12
