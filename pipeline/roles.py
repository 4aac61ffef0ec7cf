"""What `leakline run` runs, in the order of the ports that show their metrics."""

from typing import Final

ROLES: Final = ("detect", "sink", "reconcile", "notify", "enforce")
