"""Coding agents: clients that send whole files, again and again, and use several models."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_NAMES: Final = re.compile(
    r"(?:claude-(?:cli|code)|codex|cursor|cline|roo-?(?:code|cline)|kilo-?code|aider|continue"
    r"|windsurf|opencode|gemini-?cli|qwen-?code|zed|copilot|tabby|goose|openhands)(?![a-z])"
)
_WEIGHT: Final = 0.3
"""What long prompts, other models and other work count where one is at work: all of them ask so."""


def work_weight(clients: Iterable[str]) -> float:
    """Factor on evidence of what some clients ask for, and at what length."""
    return _WEIGHT if any(map(is_coding_agent, clients)) else 1.0


@lru_cache(maxsize=4096)
def is_coding_agent(client: str) -> bool:
    """Whether a client, as in a `Slice`, is a coding agent by its name."""
    return _NAMES.match(client) is not None
