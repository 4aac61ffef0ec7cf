"""A key that uses several providers: each one's bill is held against its own use."""

import msgspec
import pytest

from detectors.baselines.accounts import ACCOUNTS_MAX, Accounts
from detectors.baselines.billing import ALL_BILLS_MAX
from pipeline.engine import PartitionFold
from pipeline.engine.state import decode_state, encode_state
from pipeline.message import Message
from schemas.gateway_use import UseQuestion
from schemas.provider_usage import ProviderUsage
from schemas.topics import MESSAGE_BYTES_MAX
from schemas.usage_event import UsageEvent
from tests.reconcile.bills import entry
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    START,
    control,
    event,
    in_time,
    messages,
    packed,
    renumbered,
    rules,
    run,
)

HOURS = 30
DOLLARS = {"openai": 2.0, "anthropic": 40.0}
"""What the key spends with each in an hour."""
TOKENS = 60_000


def use(provider: str | None, dollars: float, hours: int = HOURS, of: str = "") -> list[UsageEvent]:
    return [
        event(
            START + hour * HOUR + n * 600.0,
            event_id=f"{of or provider}-{hour}-{n}",
            provider=provider,
            input_tokens=TOKENS // 6,
            output_tokens=0,
            cost_usd=dollars / 6,
        )
        for hour in range(hours)
        for n in range(6)
    ]


BOTH = in_time(*(use(provider, usd) for provider, usd in DOLLARS.items()))


def bill(provider: str, usd: float, times: float = 1.0, hour: int = 27, hours: int = 1) -> Message:
    """What a provider bills for some hours: dollars, for so many times the tokens of one's use."""
    due = ProviderUsage(
        provider=provider,
        key_id=KEY,
        model="gpt-4o-mini",
        window_start=START + hour * HOUR,
        window_end=START + (hour + hours) * HOUR,
        input_tokens=round(times * TOKENS * hours),
        cost_usd=usd,
        observed_at=START + HOURS * HOUR,
    )
    return control("provider-usage", due)


def paged(events: list[UsageEvent], *bills: Message, registered: bool = True) -> bool:
    first = [control("key", entry(KEY))] if registered else []
    outcome = run(renumbered([*first, *messages(events), *bills]))
    return any(each.cause == "off_gateway" for each in outcome.incidents)


@pytest.mark.parametrize("provider", DOLLARS)
@pytest.mark.parametrize("registered", [True, False])
def test_a_theft_at_one_does_not_hide_behind_the_other(provider: str, *, registered: bool) -> None:
    """In an hour, with a ledger or the hours that are open."""
    hour, usd = (27 if registered else 29), DOLLARS[provider]
    assert not paged(BOTH, bill(provider, usd, hour=hour), registered=registered)
    assert paged(BOTH, bill(provider, 2 * usd, 2.0, hour=hour), registered=registered)


@pytest.mark.parametrize("provider", DOLLARS)
def test_nor_on_the_first_bill_of_a_day(provider: str) -> None:
    usd = 24 * DOLLARS[provider]
    day = {"hour": 0, "hours": 24}
    assert not paged(BOTH, bill(provider, usd, **day), registered=False)
    assert paged(BOTH, bill(provider, 1.5 * usd, 1.5, **day), registered=False)


def test_bills_of_hours_and_of_days_do_not_get_in_each_others_way() -> None:
    hours = [bill("openai", 2.0, hour=hour) for hour in range(28)]
    day = bill("anthropic", 24 * 40.0, hour=0, hours=24)
    assert not paged(BOTH, *hours, day, *hours)
    assert paged(BOTH, *hours, day, bill("openai", 4.0, 2.0, hour=26))


def test_names_may_differ_between_gateway_and_bill() -> None:
    both = in_time(use("gcp.vertex_ai", 2.0), use("azure.ai.openai", 40.0))
    assert not paged(both, bill("google", 2.0), bill("azure", 40.0))
    assert paged(both, bill("Google", 4.0, 2.0))
    assert not paged(both, bill("somebody", 42.0, 2.0)), "whose name it does not know, all explains"
    assert paged(both, bill("somebody", 80.0, 4.0))


def test_what_nobody_knows_the_provider_of_may_be_anybodys() -> None:
    some = in_time(use("openai", 2.0), use("anthropic", 40.0), use(None, 5.0))
    assert not paged(some, bill("openai", 7.0, 2.0))
    assert paged(some, bill("openai", 14.0, 4.0))


def test_requests_that_were_refused_name_no_provider_and_open_no_account() -> None:
    refused = [
        event(
            START + n * HOUR,
            provider=None,
            status=401,
            input_tokens=0,
            output_tokens=0,
            cost_usd=None,
        )
        for n in range(HOURS)
    ]
    state = run(messages(in_time(refused, use("openai", 2.0)))).fold.state_of(KEY)
    assert state is not None
    assert state.history.books.accounts == Accounts("openai")


def test_a_question_is_about_one_provider() -> None:
    fold = run(messages(BOTH)).fold
    nanos = [
        fold.fold(control("gateway-use", question)).answers[0].use.nanos
        for provider in ("anthropic", "openai", "somebody", None)
        for question in [
            UseQuestion(
                question_id="q",
                part=0,
                key_ids=[KEY],
                window_start=START + 29 * HOUR,
                window_end=START + 30 * HOUR,
                provider=provider,
            )
        ]
    ]
    assert [round(each / 1e9) for each in nanos] == [40, 2, 42, 42]


def test_what_an_earlier_release_counted_together_is_compared_together() -> None:
    """Hours before the upgrade are not taken for one provider's; those after it are."""
    before = run([control("key", entry(KEY)), *messages(BOTH[: 12 * 20])]).fold.state_of(KEY)
    assert before is not None
    before.history.books.accounts = Accounts()
    for hour, paged_for in ((15, False), (27, True)):
        fold = PartitionFold(rules())
        fold.restore(KEY, encode_state(before))
        log = [*messages(BOTH[12 * 20 :]), bill("anthropic", 42.0, 2.0, hour=hour)]
        said = run(log, fold).incidents
        assert bool(said) is paged_for


def test_accounts_survive_a_store() -> None:
    state = run([control("key", entry(KEY)), *messages(BOTH)]).fold.state_of(KEY)
    assert state is not None
    assert list(state.history.books.accounts.others) == ["anthropic"]
    assert decode_state(encode_state(state)).history.books == state.history.books


def test_accounts_are_forgotten_with_the_hours_and_days_that_they_are_of() -> None:
    long = in_time(*(use(provider, usd, 24 * 6) for provider, usd in DOLLARS.items()))
    for log in ([control("key", entry(KEY)), *messages(long)], messages(long)):
        state = run(log).fold.state_of(KEY)
        assert state is not None
        books, windows = state.history.books, state.windows
        (account,) = books.accounts.others.values()
        assert account.hours.keys() <= {*books.ledger, *windows.hours}
        assert account.days.keys() <= {*books.days, *windows.days}
        assert account.hours
        assert account.days


def test_any_number_of_providers_fits_into_a_state() -> None:
    events = [
        event(START + n * 10.0, event_id=f"{n}", provider=f"provider-{n % 50}-{'p' * 200}")
        for n in range(20_000)
    ]
    bills = [
        control(
            "provider-usage",
            ProviderUsage(
                provider=f"provider-{n % 50}-{'p' * 50}",
                key_id=KEY,
                model=f"{n}-{'m' * 200}",
                window_start=START + DAY + (n % 20) * HOUR,
                window_end=START + DAY + (n % 20 + 1) * HOUR,
                cost_usd=1.0,
                observed_at=START + 2 * DAY,
            ),
        )
        for n in range(4_000)
    ]
    outcome = run([control("key", entry(KEY)), *messages(events, 500), *bills])
    state = outcome.states[KEY]
    assert state is not None
    assert len(state) <= MESSAGE_BYTES_MAX
    kept = outcome.fold.state_of(KEY)
    assert kept is not None
    assert len(kept.history.books.accounts.others) <= ACCOUNTS_MAX + 2
    assert msgspec.msgpack.decode(state)


def test_bills_of_many_providers_are_bounded_together() -> None:
    names = [f"provider-{n}" for n in range(6)]
    events = in_time(*(use(name, 2.0) for name in names))
    bills = [bill(name, 2.0, hour=hour) for hour in range(20) for name in names]
    state = run([*messages(events), *bills]).fold.state_of(KEY)
    assert state is not None
    kept = state.history.books.bills.values()
    assert len(kept) == ALL_BILLS_MAX
    assert {each.provider for each in kept} == set(names)


def test_packing_changes_no_account() -> None:
    log = BOTH[:600]
    one = run(messages(log, 1)).states[KEY]
    many = run([packed(log)]).states[KEY]
    assert one is not None
    assert many is not None
    first, second = (decode_state(each).history.books.accounts for each in (one, many))
    assert first == second
