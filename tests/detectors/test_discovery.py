"""Detectors are found by being there, and no two share a name."""

import sys
from pathlib import Path

import pytest

import detectors
from detectors.discovery import all_detectors

SOURCE = '''"""One more."""
from detectors.contract import Detector, Finding, KeyView


class Another(Detector):
    """Says nothing."""

    name = "{name}"
    causes = {{"leaked": 1.0}}

    def judge(self, key: KeyView) -> Finding | None:
        return None
'''


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules count as detectors."""
    monkeypatch.setattr(detectors, "__path__", [*detectors.__path__, str(tmp_path)])
    return tmp_path


def discovered() -> list[str]:
    return [each.name for each in all_detectors.__wrapped__()]


def test_a_new_module_is_all_that_a_new_detector_needs(
    plugged_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = discovered()
    (plugged_in / "aaa_another.py").write_text(SOURCE.format(name="aaa_another"))
    assert discovered() == ["aaa_another", *before]
    monkeypatch.delitem(sys.modules, "detectors.aaa_another")


def test_two_of_the_same_name_are_refused(
    plugged_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plugged_in / "zzz_copy.py").write_text(SOURCE.format(name="spend_spike"))
    with pytest.raises(ValueError, match="spend_spike"):
        discovered()
    monkeypatch.delitem(sys.modules, "detectors.zzz_copy")
