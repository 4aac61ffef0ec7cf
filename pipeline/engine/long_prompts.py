"""Prompts longer than the key ever sent: bulk, or a conversation of its owner's that goes on.

Agents and chats send all that was said before once more, and a little besides. So their prompts
grow as long as they go on, far beyond those of the conversations before; what somebody stuffs
into a prompt is long from the start.
"""

from typing import Final

from detectors.baselines.newcomers import find
from detectors.baselines.totals import Totals
from pipeline.accept import Use
from pipeline.engine.state import KeyState, Pending

_LONG_FACTOR: Final = 1.5
"""Requests so much longer than the longest so far are counted apart."""
_NEXT_FACTOR: Final = 1.3
_NEXT_TOKENS: Final = 4000
"""A request of a conversation is at most so much longer than the one before."""
_OVER_FACTOR: Final = 4.0
"""A conversation is over when the prompts of an hour are so much shorter, on average."""


def note_long(state: KeyState, pending: Pending, use: Use) -> bool:
    """Note a request longer than the record; True when it is worth a look."""
    hour, record = pending.hour, state.history.longest
    hour.longest = max(hour.longest, use.input_tokens)
    if _continues(state, use):
        state.long_over = state.windows.conversation = use.input_tokens
        return False
    if not record or use.input_tokens < _LONG_FACTOR * record:
        state.long_over = use.input_tokens
        return False
    longs = state.windows.longs.setdefault(pending.minute, Totals())
    longs.add(Totals(1, 0, use.nanos, use.input_tokens, use.output_tokens))
    return longs.requests & (longs.requests - 1) == 0


def enter_hour(state: KeyState, hour: int) -> None:
    """Let a conversation go on into an hour, or end; what is longer is long from there on."""
    windows = state.windows
    last = windows.hours.get(hour - 1)
    if last is None or _OVER_FACTOR * last.input_tokens < windows.conversation * last.requests:
        windows.conversation = 0
    state.long_over = max(int(state.history.longest), windows.conversation)


def _continues(state: KeyState, use: Use) -> bool:
    """Whether a request may be the next of a conversation of the owner's.

    The provider mostly has what was said before cached: so it shows that one has begun.
    """
    before, source = state.long_over, use.kind.source
    begun = 0 < before == state.windows.conversation
    if not begun and 2 * use.cached_tokens < use.input_tokens:
        return False
    if use.input_tokens > _NEXT_FACTOR * before + _NEXT_TOKENS:
        return False
    newcomer = None if source is None else find(state.history.newcomers, source)
    return newcomer is None or not newcomer.is_strange
