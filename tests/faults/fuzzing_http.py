"""Made-up requests for every endpoint: no answer may be a failure of ours, or tell a secret."""

import asyncio
import gzip
import random

from aiohttp import ClientError

from pipeline.serve.intake import FORMATS
from schemas.topics import CLICKS, DEAD_LETTERS
from tests.faults.fuzzing import SECRET, Fuzzed, mutated, sent
from tests.serve.test_slack import CLICK, form, signed
from tests.support.serving import Client, Clock, MemoryLog, app_of, serving

TOKEN = {"Authorization": "Bearer token-1"}
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
PAGES = ("/", "/keys/", "/incidents/", "/healthz", "/readyz", "/metrics", "/v1/intake/")
CONTENT_TYPES = (*("application/json", "application/x-ndjson") * 3, "text/plain", "")
NO_STORE = 503
"""What the console says without a store."""
ENCODINGS = (*[""] * 6, "gzip", "gzip", "deflate", "br", "\u0161")
MUTATED = 0.7
HONEST = 0.8
"""Share of the bodies said to be gzipped that are."""
REACHED = {"gw", "litellm", "otel", "openmeter", "bedrock", CLICKS.name, DEAD_LETTERS.name}
"""Sources and topics of what gets through: who is refused at the door meets no decoder."""


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
    if any(SECRET.encode() in body for body in _stored(log)):
        found.violations.append("the secret is on the log")
    reached = {each["source"] for each in log.bodies()} | {topic for topic, _, _ in log.records}
    found.violations += [f"nothing of {each} got through" for each in REACHED - reached]
    return found


def _stored(log: MemoryLog) -> list[bytes]:
    """All but clicks, in which are ids that Slack itself has signed."""
    others = (body for topic, _, body in log.records if topic != CLICKS.name)
    return [*(body for _, body in log.events), *others]


def _changed(rng: random.Random, sample: bytes) -> bytes:
    """Mutated mostly, but not always: what is behind a decoder is to be reached, too."""
    return mutated(rng, sample) if rng.random() < MUTATED else sample


async def _ask(client: Client, rng: random.Random, now: int) -> str | None:
    kind = rng.choice(("intake", "intake", "slack", "page"))
    to = rng.choice(FORMATS)
    body = _changed(rng, rng.choice(sent()[to.name]))
    try:
        if kind == "intake":
            path, encoding = to.path, rng.choice(ENCODINGS)
            headers = TOKEN | {
                "Content-Type": rng.choice(CONTENT_TYPES),
                "Content-Encoding": encoding,
            }
            if encoding == "gzip" and rng.random() < HONEST:
                body = gzip.compress(body)
            answer = await client.post(path, data=body, headers=headers)
        elif kind == "slack":
            path, body = "/v1/slack/interactions", _changed(rng, form(CLICK))
            answer = await client.post(path, data=body, headers=signed(body, now, SIGNING))
        else:
            path = rng.choice(PAGES) + "".join(chr(rng.randrange(32, 1_000)) for _ in range(9))
            answer = await client.get(path, params={"key": body[:200].decode(errors="replace")})
        text = await answer.read()
    except (ClientError, ValueError, AssertionError):
        return None  # our own client refuses to send such a thing
    if answer.status >= 500 and answer.status != NO_STORE:
        return f"{path} answered {answer.status}"
    return "an answer has the secret" if SECRET.encode() in text else None
