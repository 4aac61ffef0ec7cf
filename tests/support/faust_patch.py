"""Faust's consumer with the changes that `docs/faust-consumer.md` proposes."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from unittest.mock import patch

from faust.transport import consumer

from tests.support.installation import ROOT

PAGE = ROOT / "docs" / "faust-consumer.md"
_HUNK = re.compile(r"^@@.*@@$", re.MULTILINE)


@cache
def patched_consumer() -> ModuleType:
    """The module `faust.transport.consumer`, changed."""
    page = PAGE.read_text()
    (diff,) = re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (beside_imports,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    source = apply(diff, inspect.getsource(consumer))
    head, logger, rest = source.partition("\nlogger = get_logger(__name__)\n")
    assert logger, "Faust's consumer has no logger any more"
    module = ModuleType("faust.transport.consumer")
    imports = "\nfrom typing import Coroutine, Iterator\n"
    code = compile(head + logger + imports + beside_imports + rest, consumer.__file__, "exec")
    exec(code, vars(module))  # noqa: S102 - Faust's source and our page
    return module


@contextmanager
def faust_as_proposed() -> Iterator[None]:
    """Every consumer of Faust behaves as changed."""
    names = ("_drain_messages", "_deliver", "_delivery", "_wait_next_records", "stop_flow")
    new = {name: getattr(patched_consumer().Consumer, name) for name in names}
    with patch.multiple(consumer.Consumer, create=True, **new):
        yield


def apply(diff: str, source: str) -> str:
    """The source after a unified diff, whose hunks must each fit in one place.

    Raises:
        ValueError: one does not.
    """
    for hunk in _HUNK.split(diff)[1:]:
        lines = hunk.strip("\n").split("\n")
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        if source.count(before) != 1:
            raise ValueError(f"fits in {source.count(before)} places:\n{hunk}")
        source = source.replace(before, after)
    return source
