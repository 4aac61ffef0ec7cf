"""Far longer prompts than the key ever sends."""

import math

from detectors.contract import Detector, Finding, KeyView, Trigger, dollars, times

_REQUESTS_MIN = 3
_RECORD_FACTOR = 2.5


class TokenStuffing(Detector):
    """Input tokens per request in 15 minutes against the key's hourly record."""

    name = "token_stuffing"
    question = "Are these prompts of the usual length?"
    catches = "Few requests with enormous prompts, which a count of requests does not see."
    misses = "Long prompts of a key that has always sent some."
    advice = "Look at who sends them; cap the tokens per request at the gateway."
    triggers = Trigger.VOLUME | Trigger.WATCHED | Trigger.HOUR | Trigger.NOVEL
    causes = {"leaked": 1.0, "runaway": 0.9, "growth": 0.5}
    score_max = 8.5

    def judge(self, key: KeyView) -> Finding | None:
        now = key.last_15m
        prompt = key.history.prompt
        if now.requests < _REQUESTS_MIN:
            return None
        length = max(1.0, now.input_tokens / now.requests)
        excess = prompt.excess(length)
        beyond = math.log(length / (prompt.record * _RECORD_FACTOR)) if prompt.record else 0.0
        if excess < 3.0 or beyond <= 0.0:
            return None
        weight = min(1.0, math.log1p(now.requests) / math.log1p(12))
        score = min(excess, 3.0 + 4.0 * beyond) * weight
        return Finding(
            score=score,
            since=key.now - 900.0,
            summary=(
                f"{length:,.0f} input tokens per request over {now.requests} requests "
                f"({dollars(now.nanos)}) in 15 minutes, {times(length, prompt.usual)} the usual "
                f"{prompt.usual:,.0f}."
            ),
            evidence={
                "tokens_per_request": length,
                "usual_tokens_per_request": prompt.usual,
                "record_tokens_per_request": prompt.record,
            },
        )
