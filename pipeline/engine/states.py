"""The states of many keys, most of which say nothing for hours."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from pipeline.engine.state import KeyState, decode_state, encode_state
from pipeline.engine.stored import check_state

IN_USE_MAX: Final = 10_000
"""States of a partition that are kept ready; each takes several times the memory of its bytes."""


class States:
    """The states of the keys that are in use; a stored one stays as it is until it is asked for.

    A worker takes over a million keys in seconds, and holds those that are silent in little more
    than their bytes.
    """

    def __init__(self, in_use_max: int = IN_USE_MAX) -> None:
        self._in_use_max = in_use_max
        self.in_use: dict[str, KeyState] = {}
        self._stored: dict[str, bytes] = {}

    def restore(self, key_id: str, raw: bytes) -> None:
        """Take in a stored state.

        Raises:
            UnknownStateError: it is none, or one of another version.
        """
        check_state(raw)
        self._stored[key_id] = raw

    def find(self, key_id: str) -> KeyState | None:
        """The state of a key, in use or stored."""
        state = self.in_use.get(key_id)
        if state is None and key_id in self._stored:
            state = self.in_use[key_id] = decode_state(self._stored.pop(key_id))
        return state

    def put_away(self, used: Iterable[str]) -> None:
        """Keep what was used longest ago as bytes again, when too much is in use.

        Args:
            used: the keys that were used since this was last called.
        """
        in_use = self.in_use
        for key_id in used:
            in_use[key_id] = in_use.pop(key_id)  # now the last in order
        surplus = len(in_use) - self._in_use_max
        for key_id in list(islice(in_use, max(0, surplus))):
            self._stored[key_id] = encode_state(in_use.pop(key_id))

    def __contains__(self, key_id: str) -> bool:
        return key_id in self.in_use or key_id in self._stored

    def __len__(self) -> int:
        return len(self.in_use) + len(self._stored)
