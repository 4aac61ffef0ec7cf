"""New sources whose requests are not like the key's own: other work."""

import math

from detectors.baselines.coding_agents import work_weight
from detectors.baselines.likeness import Manner, manners, of_lengths
from detectors.baselines.newcomers import Newcomer
from detectors.contract import Detector, Finding, KeyView, Trigger

_LEAST = 2.0
"""Log-likelihood ratio from which it is evidence …"""
_NATS = 1.8
"""… of so many nats for each factor e: the requests of one user are no independent samples."""
_ODD_NATS = 0.5
"""A manner that says so much is told."""


class RequestShape(Detector):
    """A newcomer's requests against the key's own: how long they are, and how they are asked.

    Likelihood ratios of a stranger against another honest user of the key, whose lengths differ
    less, and who streams, repeats prompts and names end users as the owner does.
    """

    name = "request_shape"
    question = "Do new sources send such requests as the key's owner does?"
    catches = "A thief with work of their own, however much their tools are like the owner's."
    misses = "Strangers who do what the owner does; keys that are used for all kinds of work."
    advice = "Ask what the key is for; if the new source's requests do not fit that, revoke."
    triggers = Trigger.NOVEL | Trigger.WATCHED | Trigger.HOUR
    causes = {"leaked": 1.0, "shared": 0.95, "exposed": 0.9}
    about = "strangers"
    score_max = 4.0

    def judge(self, key: KeyView) -> Finding | None:
        own = key.history.shape
        newcomers = [each for each in key.newcomers if each.shape.samples]
        if not newcomers or key.history.learning:
            return None
        found = [(*_compare(key, each), each) for each in newcomers]
        nats, odd, worst = max(found, key=lambda each: each[0])
        score = nats * key.confidence
        if score < 0.5:
            return None
        samples, (prompt, answer) = round(worst.shape.samples), worst.shape.usual
        usual_prompt, usual_answer = own.usual
        return Finding(
            score=score,
            since=worst.first,
            summary=(
                f"A new source sends {prompt:,.0f} tokens and gets {answer:,.0f} "
                f"({_of(samples)}); the key's own requests usually have "
                f"{usual_prompt:,.0f} and {usual_answer:,.0f}{_told(odd)}."
            ),
            evidence={
                "samples": samples,
                "input_tokens": round(prompt),
                "output_tokens": round(answer),
                "usual_input_tokens": round(usual_prompt),
                "usual_output_tokens": round(usual_answer),
            },
        )


def _compare(key: KeyView, newcomer: Newcomer) -> tuple[float, list[Manner]]:
    """Nats for a stranger, and the manners that speak for one."""
    own, conversation = key.history.shape, key.windows.conversation
    # Another machine of the owner's takes part in a long conversation, and sends all of it.
    takes_part = not newcomer.is_strange and newcomer.shape.usual[0] <= conversation
    ratio = 0.0 if takes_part else of_lengths(own, newcomer.shape)
    lengths = _NATS * math.log(ratio / _LEAST) if ratio > _LEAST else 0.0
    asked = manners(own.manners, newcomer.shape.manners)
    odd = [each for each in asked if each.nats >= _ODD_NATS]
    nats = lengths + max(0.0, sum([each.nats for each in asked]))
    if not nats:  # mostly
        return 0.0, odd
    # Who tries a key asks for something else than its owner's program, and so does an agent.
    nats *= newcomer.sure(forgotten=key.is_waking) * work_weight(newcomer.clients)
    return nats, odd


def _of(samples: int) -> str:
    return "in one request" if samples == 1 else f"geometric means of {samples:,} samples"


def _told(odd: list[Manner]) -> str:
    return "".join(
        f"; {_share(each)} {each.name}, {each.usual:.0%} of the key's own" for each in odd
    )


def _share(manner: Manner) -> str:
    if manner.requests in {0, manner.told}:
        return "all" if manner.requests else "none"
    return f"{manner.requests} of {manner.told}"
