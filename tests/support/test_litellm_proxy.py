"""Whether a proxy that cannot be had fails where nothing may be left out."""

from pathlib import Path

import pytest

from tests.support import litellm_proxy


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", litellm_proxy.SetUpError), ("", pytest.skip.Exception)]
)
def test_a_lock_that_cannot_be_installed(
    ci: str, outcome: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "broken.lock"
    lock.write_text("no requirement at all\n")
    monkeypatch.setattr(litellm_proxy, "LOCK", lock)
    monkeypatch.setattr(litellm_proxy, "VENV", tmp_path / "venv")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="requirement"):
        litellm_proxy.available()
