"""What `leakline run` runs, in the order of the ports that show their metrics."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipeline.config import Config

ROLES: Final = ("detect", "sink", "reconcile", "notify", "enforce", "poll")
"""`leakline run`: a process for each role, which live and end together."""


def configured_roles(config: "Config") -> tuple[str, ...]:
    """The roles that have something to do: `poll` needs a provider."""
    keys = (config.poll.openai_admin_key, config.poll.anthropic_admin_key)
    return tuple(role for role in ROLES if role != "poll" or any(key is not None for key in keys))
