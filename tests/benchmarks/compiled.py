"""`python -m tests.benchmarks.compiled PART ARGUMENTS OUT`: a part's figures in this form.

A part that is worth comparing has a function `of_this_form`, which a process of its own calls with
the core compiled, right after the same was measured in pure Python.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.form import form
from tests.benchmarks.harness import Figure, Figures, say
from tests.support.compiled import build, command, why_not


def compiled(module: str, **arguments: Figure) -> Figures:
    """What a module's `of_this_form` measures where the core is compiled; nothing without gcc."""
    if missing := why_not():
        say(f"the compiled form is not measured: {missing}", error=True)
        return {}
    build()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        given = [module, json.dumps(arguments), str(out)]
        run = command(compiled=True, module="tests.benchmarks.compiled", arguments=given)
        subprocess.run(run, check=True, cwd=folder)  # noqa: S603 # our own module
        figures: Figures = json.loads(out.read_text())
    return figures


def main(module: str, arguments: str, out: str) -> None:
    """Measure in this process, and leave the figures in a file."""
    if form() != "compiled":
        raise SystemExit("the core is not compiled here")
    measured = importlib.import_module(module).of_this_form(**json.loads(arguments))
    Path(out).write_text(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
