"""The states of many keys, most of which say nothing for hours."""

from pipeline.engine.state import KeyState, check_state, decode_state


class States(dict[str, KeyState]):
    """The states of the keys that are in use; a stored one stays as it is until it is asked for.

    A worker takes over a million keys in seconds and in little more than their bytes.
    """

    def __init__(self) -> None:
        super().__init__()
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
        state = self.get(key_id)
        if state is None and key_id in self._stored:
            state = self[key_id] = decode_state(self._stored.pop(key_id))
        return state

    def __len__(self) -> int:
        return super().__len__() + len(self._stored)
