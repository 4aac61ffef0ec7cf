"""Whether the server is ready: anybody may ask as often as they like, and each look costs."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

Ready = Callable[[], Awaitable[bool]]
"""Whether the log can be written to."""

KEPT_SECONDS: Final = 3.0
"""An answer holds for this long."""


class Readiness:
    """Looks at most once in `KEPT_SECONDS`, and never twice at once."""

    def __init__(self, look: Ready, now: Callable[[], float]) -> None:
        self._look = look
        self._now = now
        self._one = asyncio.Lock()
        self._ready = False
        self._looked_at = -math.inf

    async def ready(self) -> bool:
        """What was seen last; who asks during a look waits for what it shows."""
        async with self._one:
            # A clock that was set back would else let the answer hold until it has caught up.
            if not 0.0 <= self._now() - self._looked_at < KEPT_SECONDS:
                self._ready = await self._look()
                self._looked_at = self._now()
            return self._ready
