"""Bills beside what the gateway saw: of one key, and of several that share a provider's key."""

from collections.abc import Callable

from xxhash import xxh3_64_hexdigest

from detectors.baselines.billing import Billed
from pipeline.engine.state import KeyState
from pipeline.enrich.providers import provider_name
from schemas.fields import epoch, to_nanos
from schemas.gateway_use import GatewayUse, UseAnswer, UseQuestion
from schemas.provider_usage import JoinedUsage


def answer(question: UseQuestion, find: Callable[[str], KeyState | None]) -> UseAnswer:
    """What keys used, as far as the log has come; a key that is not known used nothing."""
    start, end = int(epoch(question.window_start)), int(epoch(question.window_end))
    provider, whole = provider_name(question.provider), GatewayUse()
    for key_id in question.key_ids:
        state = find(key_id)
        if state is not None:
            whole.add(_use(state, start, end, provider))
    return UseAnswer(question_id=question.question_id, part=question.part, use=whole)


def settle(state: KeyState, usage: JoinedUsage, now: float) -> bool:
    """Enter a bill into the books of a key; whether there is anything to be judged.

    Args:
        state: of the key; nothing is pending.
        usage: the bill.
        now: Unix seconds of the key's clock, or when the bill was observed, if that is later.
    """
    start, end = int(epoch(usage.window_start)), int(epoch(usage.window_end))
    books, provider = state.history.books, provider_name(usage.provider)
    named = usage.gateway is not None or books.accounts.knows(provider)
    bill = books.bill(provider if named else "", start, end, *_line(usage))
    use = usage.gateway or _use(state, start, end, provider)
    if bill is None or use.first_seen > start or not use.complete:
        return False  # it is out of date, nobody was looking, or what was seen is forgotten
    books.reconcile(bill, use, now)
    return True


def _use(state: KeyState, start: int, end: int, provider: str) -> GatewayUse:
    fresh = [
        (minute, tally.totals())
        for minute, pending in state.pending.items()
        for tally in pending.slices.values()
    ]
    hours = [*state.windows.hours.items(), *((minute // 60, each) for minute, each in fresh)]
    days = [*state.windows.days.items(), *((minute // 1440, each) for minute, each in fresh)]
    return state.history.books.use(start, end, provider, state.history.first_seen, hours, days)


def _line(usage: JoinedUsage) -> tuple[str, Billed]:
    billed = Billed(
        requests=usage.requests or 0,
        tokens=usage.input_tokens + usage.output_tokens,
        nanos=to_nanos(usage.cost_usd or 0.0),
        priced=usage.cost_usd is not None,
        cached=usage.cached_input_tokens,
        observed=epoch(usage.observed_at),
    )
    # With the provider's key: in the hour in which it is rotated, a key is billed for both.
    whose = f"{usage.provider_key_id}\n{usage.provider}\n{usage.model}"
    return xxh3_64_hexdigest(whose.encode()), billed
