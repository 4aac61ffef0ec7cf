"""Coding agents: clients that send whole files, again and again, and use several models."""

import re
from functools import lru_cache
from typing import Final

_NAMES: Final = re.compile(
    r"claude-(?:cli|code)|codex|cursor|cline|roo-?(?:code|cline)|kilo-?code|aider|continue|windsurf"
    r"|opencode|gemini-?cli|qwen-?code|zed|copilot|tabby|goose|openhands"
)


@lru_cache(maxsize=4096)
def is_coding_agent(client: str) -> bool:
    """Whether a client, as in a `Slice`, is a coding agent by its name."""
    return _NAMES.match(client) is not None
