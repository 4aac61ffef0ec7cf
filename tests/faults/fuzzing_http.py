"""Made-up requests for every endpoint: no answer may be a failure of ours, or tell a secret."""

import asyncio
import random

from aiohttp import ClientError

from pipeline.demo.slack_interactions import signed_form
from pipeline.serve.intake import FORMATS
from tests.faults.fuzzing import SECRET, Fuzzed, mutated, samples
from tests.support.serving import Client, Clock, MemoryLog, app_of, serving

TOKEN = {"Authorization": "Bearer token-1"}
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
PAGES = ("/", "/keys/", "/incidents/", "/healthz", "/readyz", "/metrics", "/v1/intake/")
CONTENT_TYPES = ("application/json", "application/x-ndjson", "text/plain", "")
NO_STORE = 503
"""What the console says without a store."""
ENCODINGS = ("", "", "", "gzip", "deflate", "br", "\u0161")


def fuzz_http(inputs: int, seed: int = 0) -> Fuzzed:
    """Ask the server; deterministic for a seed."""
    return asyncio.run(_fuzz(inputs, seed))


async def _fuzz(inputs: int, seed: int) -> Fuzzed:
    rng = random.Random(f"http {seed}")  # noqa: S311 # repeatable, and no secret
    found, log, clock = Fuzzed("HTTP endpoints"), MemoryLog(), Clock()
    app = app_of(log, clock, slack={"signing_secret": SIGNING})
    async with serving(app) as client:
        for _ in range(inputs):
            clock.now += 0.01  # the limits on rates are tested elsewhere
            found.inputs += 1
            problem = await _ask(client, rng, int(clock.now))
            if problem is not None:
                found.violations.append(problem)
    if SECRET.encode() in log.everything():
        found.violations.append("the secret is on the log")
    return found


async def _ask(client: Client, rng: random.Random, now: int) -> str | None:
    kind = rng.choice(("intake", "intake", "slack", "page"))
    body = mutated(rng, rng.choice(samples()))
    try:
        if kind == "intake":
            path = rng.choice(FORMATS).path
            headers = TOKEN | {
                "Content-Type": rng.choice(CONTENT_TYPES),
                "Content-Encoding": rng.choice(ENCODINGS),
            }
            answer = await client.post(path, data=body, headers=headers)
        elif kind == "slack":
            path = "/v1/slack/interactions"
            _, headers = signed_form({"actions": [body.decode(errors="replace")]}, SIGNING, now)
            answer = await client.post(path, data=body, headers=headers)
        else:
            path = rng.choice(PAGES) + "".join(chr(rng.randrange(32, 1_000)) for _ in range(9))
            answer = await client.get(path, params={"key": body[:200].decode(errors="replace")})
        text = await answer.read()
    except (ClientError, ValueError):
        return None  # our own client refuses to send such a thing
    if answer.status >= 500 and answer.status != NO_STORE:
        return f"{path} answered {answer.status}"
    return "an answer has the secret" if SECRET.encode() in text else None
