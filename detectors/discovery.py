"""Finds the detectors: every concrete `Detector` in a module of this package."""

import importlib
import inspect
import pkgutil
from functools import cache

import detectors
from detectors.contract import Detector


@cache
def all_detectors() -> tuple[Detector, ...]:
    """One of each, ordered by name.

    Raises:
        ValueError: two detectors share a name.
    """
    found: dict[str, Detector] = {}
    for module in pkgutil.iter_modules(detectors.__path__):
        if module.ispkg:
            continue
        for detector in _detectors_in(f"{detectors.__name__}.{module.name}"):
            if detector.name in found:
                raise ValueError(f"two detectors are called {detector.name}")
            found[detector.name] = detector
    return tuple(found[name] for name in sorted(found))


def detector_named(name: str) -> Detector | None:
    """The detector with this name, if there still is one."""
    return next((each for each in all_detectors() if each.name == name), None)


def _detectors_in(module_name: str) -> list[Detector]:
    module = importlib.import_module(module_name)
    return [
        member()
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Detector)
        and not inspect.isabstract(member)
        and member.__module__ == module_name
    ]
