# ruff: noqa: INP001 # called by hatchling, no package
"""Compiles the hot core with mypyc into the wheel; `HATCH_BUILD_HOOK_ENABLE_CUSTOM=1` asks for it.

The sources stay in the wheel beside what is compiled of them, and nothing is left in the folder of
the sources, where a compiled module would hide later edits. Records (`msgspec.Struct`) stay as they
are: their own speed is in C already, and mypyc cannot give them a layout.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = (
    "detectors/[!_]*.py",
    "detectors/baselines/sketch.py",
    "pipeline/accept.py",
    "pipeline/engine/ageing.py",
    "pipeline/engine/counting.py",
    "pipeline/engine/judging.py",
    "pipeline/engine/revisions.py",
    "pipeline/engine/key_fold.py",
    "pipeline/engine/limits.py",
    "pipeline/engine/long_prompts.py",
    "pipeline/engine/partition.py",
    "pipeline/engine/state.py",
    "pipeline/engine/states.py",
    "pipeline/engine/window_rows.py",
    "pipeline/enrich/kinds.py",
    "pipeline/enrich/pricing.py",
)
"""What every event passes, what a key's minutes pass, and what judges it: new detectors, too."""
KEPT = "detectors/contract.py"
"""What mypyc makes something else of: an abstract class."""
_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup

flags = ["--config-file=", "--explicit-package-bases", "--follow-imports=silent",
         "--ignore-missing-imports", "--no-site-packages"]  # `make lint` has checked the types
modules = mypycify([*flags, *sys.argv[4:]], opt_level="3", debug_level="0",
                   group_name="leakline")
setup(name="leakline", packages=[], ext_modules=modules, script_args=sys.argv[1:4])
"""


class Compile(BuildHookInterface):
    """What hatchling calls before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless the wheel is that of an editable install."""
        if version == "editable":
            return
        self._scratch = tempfile.TemporaryDirectory()
        scratch = Path(self._scratch.name)
        for package in ("schemas", "detectors", "pipeline"):
            shutil.copytree(Path(self.root, package), scratch / package)
        (scratch / "setup.py").write_text(_SETUP)
        found = sorted(
            path.relative_to(scratch).as_posix() for each in MODULES for path in scratch.glob(each)
        )
        found.remove(KEPT)
        command = [sys.executable, "setup.py", "build_ext", "--build-lib", "out", *found]
        subprocess.run(command, cwd=scratch, check=True)  # noqa: S603 # fixed
        out = scratch / "out"
        for built in out.rglob("*__mypyc.*"), out.rglob("*.so"), out.rglob("*.pyd"):
            for path in built:
                build_data["force_include"][str(path)] = path.relative_to(out).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        del version, build_data, artifact_path
        if scratch := getattr(self, "_scratch", None):
            scratch.cleanup()
