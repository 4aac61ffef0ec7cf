"""A budget of dead letters: a bad deploy must stall a topic, not drain it."""

from collections import deque

EVENTS = 1_000
"""How many of the latest events are looked at."""


class DeadLetterBudgetExceededError(Exception):
    """Too many of the latest events could not be folded; the worker stops."""


class DeadLetterBudget:
    """The share of dead letters among the latest events; judged once there are enough."""

    def __init__(self, share_max: float, events: int = EVENTS) -> None:
        self._share_max = share_max
        self._events_max = events
        self._latest: deque[tuple[int, int]] = deque()
        self._events = 0
        self._dead = 0

    def spend(self, events: int, dead: int) -> None:
        """Count a message of so many events, so many of which are dead letters.

        Raises:
            DeadLetterBudgetExceededError: the share is above the limit.
        """
        self._latest.append((events, dead))
        self._events += events
        self._dead += dead
        while self._events - self._latest[0][0] >= self._events_max:
            old_events, old_dead = self._latest.popleft()
            self._events -= old_events
            self._dead -= old_dead
        if self._events >= self._events_max and self._dead > self._share_max * self._events:
            raise DeadLetterBudgetExceededError(
                f"{self._dead} of the last {self._events} events are dead letters "
                f"(detection.dead_letter_share_max)"
            )
