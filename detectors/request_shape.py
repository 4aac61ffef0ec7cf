"""New sources whose prompts or answers are not as long as the key's own: other work."""

import math

from detectors.baselines.newcomers import Newcomer
from detectors.baselines.shape import Shape
from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted

_OWN_MIN = 60.0
"""Samples of the key's own requests that must be known."""
_KIN = 0.3**2
"""Variance of another honest user's mean, in that of the key's own single requests …"""
_STRANGER = 1.5**2
"""… and of the mean of somebody with work of their own."""
_LEAST = 2.0
"""Log-likelihood ratio from which it is evidence …"""
_NATS = 1.8
"""… of so many nats for each factor e: the requests of one user are no independent samples."""


class RequestShape(Detector):
    """Lengths of a newcomer's prompts and answers against those of the key's own requests.

    A likelihood ratio of their log means, both normal: a stranger's differ more than those of
    another honest user of the key.
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
        if not newcomers or own.samples < _OWN_MIN or key.history.learning:
            return None
        scores = [_score(own, each) for each in newcomers]
        nats = max(scores)
        score = nats * key.confidence
        if score < 0.5:
            return None
        worst = newcomers[scores.index(nats)]
        samples, (prompt, answer) = round(worst.shape.samples), worst.shape.usual
        usual_prompt, usual_answer = own.usual
        return Finding(
            score=score,
            since=worst.first,
            summary=(
                f"A new source sends {prompt:,.0f} tokens and gets {answer:,.0f} (geometric means "
                f"of {counted(samples, 'sample')}); the key's own requests usually have "
                f"{usual_prompt:,.0f} and {usual_answer:,.0f}."
            ),
            evidence={
                "samples": samples,
                "input_tokens": round(prompt),
                "output_tokens": round(answer),
                "usual_input_tokens": round(usual_prompt),
                "usual_output_tokens": round(usual_answer),
            },
        )


def _score(own: Shape, newcomer: Newcomer) -> float:
    samples = newcomer.shape.samples
    kin, stranger = _KIN + 1.0 / samples, _STRANGER + 1.0 / samples
    ratio = sum(
        0.5 * (math.log(kin / stranger) + offset * offset * (1.0 / kin - 1.0 / stranger))
        for offset in own.offsets(newcomer.shape)
    )
    return _NATS * math.log(ratio / _LEAST) if ratio > _LEAST else 0.0
