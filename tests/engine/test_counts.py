"""What became of usage events, as `leakline_events_total` says it."""

from pipeline.engine import PartitionFold
from schemas.key_record import KeyRecord
from schemas.provider_usage import JoinedUsage
from tests.support.events import KEY, START, burst, control, event, packed, rules, run

BILL = JoinedUsage(
    provider="openai",
    key_id=KEY,
    window_start=START,
    window_end=START + 3600,
    observed_at=START + 7200,
)


def test_usage_events_are_counted_and_nothing_else() -> None:
    log = [
        packed([*burst(START, 50), b"no event"], 0),
        control("key", KeyRecord(key_id=KEY), 1),
        control("provider-usage", BILL, 2),
    ]
    fold = PartitionFold(rules(), 0, 1)
    assert run(log, fold).fold.counts == {"folded": 50}
    assert run(log, fold).fold.counts == {"folded": 50, "already_folded": 50}


def test_what_is_not_known_of_an_event_is_counted_whatever_becomes_of_it() -> None:
    strange = event(START, model="nobody/knows", cost_usd=None, client_ip="nonsense")
    counts = run([packed([strange, strange])]).fold.counts
    assert counts == {"folded": 1, "duplicate": 1, "unpriced": 2, "no_source": 2}
