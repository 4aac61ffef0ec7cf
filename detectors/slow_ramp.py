"""Use that creeps up, hour by hour, too slowly for any single window to stand out."""

from detectors.contract import Detector, Finding, KeyView, Trigger
from detectors.words import counted, times

_ALARM = 10.0


class SlowRamp(Detector):
    """A CUSUM over hourly residuals (E. S. Page, Biometrika 1954), kept in the baselines."""

    name = "slow_ramp"
    question = "Has the key's use crept up for days?"
    catches = "Low and slow use that adds up; a thief who trains the baseline."
    misses = "Growth as slow as that of a healthy product; alone it is never enough for a page."
    advice = "Compare this week with the week before: which source grew?"
    triggers = Trigger.HOUR
    causes = {"growth": 1.0, "budget": 0.3, "leaked": 0.5, "runaway": 0.4}
    score_max = 1.5
    """Honest products grow as far: it supports what else is found, and is nothing alone."""

    def judge(self, key: KeyView) -> Finding | None:
        drift = key.history.volume.drift
        if drift < _ALARM or key.history.learning:
            return None
        so_far = range(key.day * 24, key.hour + 1)
        usual = sum(key.history.volume.expected(hour, key.zone)[0] for hour in so_far)
        if key.today.requests <= usual:
            return None
        return Finding(
            score=min(self.score_max, 0.5 + (drift - _ALARM) / 10.0),
            since=key.day * 86_400.0,
            summary=(
                f"Hourly use has stayed above its profile for so long that the sum of the excess "
                f"is {drift:.0f} standard deviations; today so far "
                f"{counted(key.today.requests, 'request')}, "
                f"{times(key.today.requests, usual, 'the usual')}."
            ),
            evidence={
                "cusum_sigmas": drift,
                "requests_today": key.today.requests,
                "usual_requests_today": usual,
            },
        )

    def began(self, key: KeyView, finding: Finding) -> None:
        """What goes on for days began at no time."""
        del key, finding
