"""Whether the core runs as Python or compiled ahead of time; what it says is the same."""

from importlib.util import find_spec


def form() -> str:
    """`compiled`, or `pure`."""
    found = find_spec("detectors.baselines.sketch")
    origin = "" if found is None else found.origin or ""
    return "pure" if origin.endswith(".py") else "compiled"
