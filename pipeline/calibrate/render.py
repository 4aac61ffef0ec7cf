"""What a calibration found, in words."""

from collections.abc import Iterator

from pipeline.calibrate.run import Calibrated
from pipeline.evaluate.tables import table
from schemas.calibration import Calibration

SURPRISE_MIN = 0.05
"""A chance below which the held-out keys are said to contradict the budget."""


def render(found: Calibrated, before: Calibration) -> Iterator[str]:
    """The history, the curve, the thresholds, and whether the budget holds; in lines."""
    fitted, held_out = found.keys
    weeks = found.curve[0].fitted.key_weeks, found.after.key_weeks
    yield (
        f"fitted on {fitted:,} honest keys ({weeks[0]:,.0f} key-weeks), checked on {held_out:,} "
        f"others ({weeks[1]:,.0f}); {found.left_out:,} left out as known leaks"
    )
    yield ""
    calibration = found.calibration
    yield table(
        ("evidence (nats)", "fitted: pages/1000 kw", "held out: pages/1000 kw"),
        [
            (
                f"{each.nats:.1f}" + ("  <- page" if each.nats == calibration.page_nats else ""),
                f"{each.fitted.per_1000_key_weeks:.1f}",
                f"{each.held_out.per_1000_key_weeks:.1f}",
            )
            for each in found.curve
        ],
    )
    yield ""
    yield (
        f"{calibration.version}: a page takes {calibration.page_nats:g} nats (was "
        f"{before.page_nats:g}), a ticket {calibration.ticket_nats:g} (was {before.ticket_nats:g})"
    )
    if found.cohorts:
        yield ""
        yield _cohorts(found)
        yield ""
    yield (
        f"the held-out keys, replayed with it: {found.after.pages} pages, "
        f"{found.after.per_1000_key_weeks:.1f} per 1,000 key-weeks (before: "
        f"{found.before.per_1000_key_weeks:.1f}; budget: {found.budget:g})"
    )
    if found.surprise < SURPRISE_MIN:
        yield (
            "that is more than chance explains where the budget holds: the keys differ too much, "
            "or the history is too short. Take more of it"
        )
    if not found.thresholds.holds:
        yield (
            "the budget does not hold on the fitted keys: the threshold is at its bound. Look for "
            "leaks that nobody labelled, or raise detection.pages_per_1000_key_weeks"
        )


def _cohorts(found: Calibrated) -> str:
    return table(
        ("environment", "keys", "key-weeks", "a page takes", "held out: before", "after"),
        [
            (
                each.fitted.environment,
                f"{len(each.fitted.keys):,}",
                f"{each.fitted.key_weeks:,.1f}",
                f"{found.calibration.cohorts[each.fitted.environment]:g}",
                f"{each.before.pages} pages",
                f"{each.after.pages} in {each.after.key_weeks:,.1f} kw",
            )
            for each in found.cohorts
        ],
    )
