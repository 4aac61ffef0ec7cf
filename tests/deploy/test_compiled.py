"""Compiled ahead of time, the core says the same as pure Python, to the byte."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiled import build, command, why_not

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if (missing := why_not()) and not os.environ.get("CI"):
        pytest.skip(missing)
    build()


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], dict[str, Any]]:
    """What each form made of the first half of a log, and each of the second after each."""
    folder = tmp_path_factory.mktemp("folds")
    forms = ("pure", "compiled")
    found = {(first,): _fold(folder, first) for first in forms}
    pairs = [(first, second) for first in forms for second in forms]
    return found | {pair: _fold(folder, *pair) for pair in pairs}


def _fold(folder: Path, *forms: str) -> dict[str, Any]:
    out = folder / "-".join(forms)
    before = [str(folder / forms[0])] if len(forms) == 2 else []
    arguments = [str(len(forms)), str(out), *before]
    _run("fold_part", folder, compiled=forms[-1] == "compiled", arguments=arguments)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the detectors say in their examples, by form."""
    folder = tmp_path_factory.mktemp("said")
    found: dict[str, dict[str, Any]] = {}
    for form in ("pure", "compiled"):
        _run("judge_examples", folder, compiled=form == "compiled", arguments=[form])
        found[form] = json.loads((folder / form).read_text())
    return found


def _run(module: str, folder: Path, *, compiled: bool, arguments: list[str]) -> None:
    of_it = command(compiled=compiled, module=f"tests.support.{module}", arguments=arguments)
    subprocess.run(of_it, check=True, cwd=folder)  # noqa: S603 # our own module


def test_each_form_ran(folds: dict[tuple[str, ...], dict[str, Any]]) -> None:
    assert {forms: each["form"] for forms, each in folds.items()} == {
        forms: forms[-1] for forms in folds
    }


def test_the_log_has_something_to_say(folds: dict[tuple[str, ...], dict[str, Any]]) -> None:
    incidents = [json.loads(each) for each in folds["pure", "pure"]["incidents"]]
    assert {each["severity"] for each in incidents} >= {"page", "info"}
    assert len(folds["pure", "pure"]["windows"]) > 1000


@pytest.mark.parametrize("what", ["incidents", "windows", "states"])
def test_both_forms_say_the_same(folds: dict[tuple[str, ...], dict[str, Any]], what: str) -> None:
    assert folds["compiled",][what] == folds["pure",][what]


@pytest.mark.parametrize("what", ["incidents", "windows", "states"])
def test_each_form_goes_on_from_the_states_of_the_other(
    folds: dict[tuple[str, ...], dict[str, Any]], what: str
) -> None:
    expected = folds["pure", "pure"][what]
    for forms, each in folds.items():
        if len(forms) == 2:
            assert each[what] == expected, forms


def test_every_detector_says_the_same_in_both_forms(said: dict[str, dict[str, Any]]) -> None:
    assert {form: each["form"] for form, each in said.items()} == {form: form for form in said}
    pure, compiled = said["pure"]["said"], said["compiled"]["said"]
    assert all(pure.values()), "a detector is silent in all of its examples"
    assert compiled == pure
