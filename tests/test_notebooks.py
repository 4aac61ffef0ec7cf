"""The notebooks run, cell after cell, on a store with something in it; no Jupyter is needed."""

import json
from pathlib import Path

import pytest

from pipeline.cli.app import app
from pipeline.cli.demo import DEFAULT_FOLDER

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
START = 1_767_225_600


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("notebooks")
    event = {"event_id": "e", "occurred_at": START, "key_id": "planted", "cost_usd": 1}
    (root / "events.jsonl").write_text(json.dumps(event | {"client_ip": "8.8.8.8"}))
    (root / "keys.jsonl").write_text('{"key_id": "planted", "canary": true}')
    files = [f"--{name}={root / name}.jsonl" for name in ("events", "keys")]
    folder = root / DEFAULT_FOLDER
    app(["replay", *files, "--store", str(folder)], standalone_mode=False)
    return folder


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(
    path: Path,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    named: bool,
) -> None:
    # Jupyter works in the folder of the notebook, and the demo beside that.
    here = tmp_path if named else store.parents[1] / "notebooks"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("LEAKLINE_STORE__PATH", str(store))
    if not named:
        monkeypatch.delenv("LEAKLINE_STORE__PATH")
    scope: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs are not kept"
            exec(compile("".join(cell["source"]), path.name, "exec"), scope)  # noqa: S102 - ours
    assert "planted" in capsys.readouterr().out
