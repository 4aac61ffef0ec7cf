"""Bills beside what the gateway saw: of one key, and of several that share a provider's key."""

from collections.abc import Callable

from detectors.baselines.billing import Billed
from pipeline.engine.state import KeyState
from schemas.fields import epoch, to_nanos
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.provider_usage import JoinedUsage


def answer(question: UseQuestion, find: Callable[[str], KeyState | None]) -> UseAnswer:
    """What keys used, as far as the log has come; a key that is not known used nothing."""
    start, end = int(epoch(question.window_start)), int(epoch(question.window_end))
    whole = GatewayUse()
    for key_id in question.key_ids:
        state = find(key_id)
        if state is not None:
            whole.add(_use(state, start, end))
    return UseAnswer(question_id=question.question_id, part=question.part, use=whole)


def settle(state: KeyState, usage: JoinedUsage) -> bool:
    """Enter a bill into the books of a key; whether there is anything to be judged."""
    start, end = int(epoch(usage.window_start)), int(epoch(usage.window_end))
    books = state.history.books
    bill = books.bill(start, end, *_line(usage))
    use = usage.gateway or _use(state, start, end)
    if use.first_seen > start or not use.complete:
        return False  # nobody was looking at the time, or what was seen is forgotten
    books.reconcile(bill, use, epoch(usage.observed_at))
    return True


def _use(state: KeyState, start: int, end: int) -> GatewayUse:
    fresh = [
        (minute, tally.totals())
        for minute, pending in state.pending.items()
        for tally in pending.slices.values()
    ]
    hours = [*state.windows.hours.items(), *((minute // 60, each) for minute, each in fresh)]
    days = [*state.windows.days.items(), *((minute // 1440, each) for minute, each in fresh)]
    return state.history.books.use(start, end, state.history.first_seen, hours, days)


def _line(usage: JoinedUsage) -> tuple[str, Billed]:
    billed = Billed(
        requests=usage.requests or 0,
        tokens=usage.input_tokens + usage.output_tokens,
        nanos=to_nanos(usage.cost_usd or 0.0),
        priced=usage.cost_usd is not None,
    )
    return f"{usage.provider}/{usage.model}"[:128], billed
