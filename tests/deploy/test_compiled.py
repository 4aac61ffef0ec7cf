"""Compiled ahead of time, the core says the same as pure Python, to the byte."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiled import build, command, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], dict[str, Any]]:
    """What each form made of the first half of a log, and each of the second after each."""
    if (missing := why_not()) and not os.environ.get("CI"):
        pytest.skip(missing)
    build()
    folder = tmp_path_factory.mktemp("folds")
    forms = ("pure", "compiled")
    found = {(first,): _fold(folder, first) for first in forms}
    pairs = [(first, second) for first in forms for second in forms]
    return found | {pair: _fold(folder, *pair) for pair in pairs}


def _fold(folder: Path, *forms: str) -> dict[str, Any]:
    out = folder / "-".join(forms)
    before = [str(folder / forms[0])] if len(forms) == 2 else []
    subprocess.run(  # noqa: S603 # our own module
        command(
            compiled=forms[-1] == "compiled",
            module="tests.support.fold_part",
            arguments=[str(len(forms)), str(out), *before],
        ),
        check=True,
        cwd=folder,
    )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


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
