"""User agents, by kind of software, with versions that come out over time."""

import numpy as np

from pipeline.simulate.arrivals import Rng

FAMILIES: dict[str, tuple[str, ...]] = {
    "openai-python": (
        "OpenAI/Python 1.99.9",
        "OpenAI/Python 1.109.1",
        "OpenAI/Python 2.3.0",
        "OpenAI/Python 2.8.1",
    ),
    "async-openai-python": ("AsyncOpenAI/Python 1.99.9", "AsyncOpenAI/Python 2.8.1"),
    "openai-node": ("OpenAI/JS 4.104.0", "OpenAI/JS 5.23.2", "OpenAI/JS 6.9.1"),
    "openai-go": ("OpenAI/Go 1.12.0", "OpenAI/Go 2.7.1", "OpenAI/Go 3.8.1"),
    "anthropic-python": (
        "Anthropic/Python 0.64.0",
        "Anthropic/Python 0.71.0",
        "Anthropic/Python 0.74.1",
    ),
    "anthropic-ts": ("Anthropic/JS 0.60.0", "Anthropic/JS 0.70.1"),
    "langchain": (
        "langchain-openai/0.3.28 OpenAI/Python 1.99.9",
        "langchain-openai/1.0.3 OpenAI/Python 2.8.1",
    ),
    "llama-index": ("llama-index/0.13.0", "llama-index/0.14.8"),
    "litellm": ("litellm/1.75.8", "litellm/1.80.5"),
    "httpx": ("python-httpx/0.27.2", "python-httpx/0.28.1"),
    "requests": ("python-requests/2.31.0", "python-requests/2.32.5"),
    "aiohttp": ("Python/3.11 aiohttp/3.12.15", "Python/3.12 aiohttp/3.13.2"),
    "node-fetch": ("node", "undici", "axios/1.12.2"),
    "go": ("Go-http-client/1.1", "Go-http-client/2.0"),
    "java": ("okhttp/4.12.0", "Java-http-client/21.0.4", "OpenAI/Java 4.7.1"),
    "vercel-ai": ("ai-sdk/5.0.60 runtime/node.js/22", "ai-sdk/5.0.93 runtime/node.js/22"),
    "curl": ("curl/7.88.1", "curl/8.5.0", "curl/8.14.1"),
    "agent-cli": ("claude-cli/1.0.113 (external, cli)", "claude-cli/2.0.37 (external, cli)"),
    "cursor": ("Cursor/1.7.44", "Cursor/2.0.77"),
    "spreadsheet": ("Mozilla/5.0 (compatible; Google-Apps-Script; beanserver)",),
}
SERVERS = (
    "openai-python",
    "async-openai-python",
    "openai-node",
    "openai-go",
    "anthropic-python",
    "anthropic-ts",
    "langchain",
    "llama-index",
    "httpx",
    "go",
    "java",
    "vercel-ai",
)
PEOPLE = ("openai-python", "anthropic-python", "curl", "agent-cli", "cursor", "httpx", "langchain")
THIEVES = ("openai-python", "requests", "aiohttp", "go", "node-fetch", "curl", "httpx", "litellm")
BROWSERS = (
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.6 Safari/605.1.15"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Mobile Safari/537.36"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)


def agent(rng: Rng, families: tuple[str, ...]) -> str:
    """A user agent from one of the families."""
    versions = FAMILIES[families[int(rng.integers(len(families)))]]
    return versions[int(rng.integers(len(versions)))]


def newer(rng: Rng, current: str) -> str:
    """Another version of the same software, a later one where there is one."""
    for versions in FAMILIES.values():
        if current in versions:
            later = versions[versions.index(current) + 1 :]
            return later[int(rng.integers(len(later)))] if later else _bumped(current)
    return _bumped(current)


def several(rng: Rng, families: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The user agents of a few people or services."""
    return tuple(np.unique([agent(rng, families) for _ in range(count)]).tolist())


def _bumped(current: str) -> str:
    head, _, tail = current.rpartition(".")
    return f"{head}.{int(tail) + 1}" if head and tail.isdigit() else current
