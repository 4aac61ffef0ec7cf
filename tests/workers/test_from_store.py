"""A fold of the store says what a fold of the log said."""

from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import REBUILD_KEY
from pipeline.store import Store
from pipeline.store.rows import SPEND_WINDOWS, USAGE_EVENTS
from pipeline.workers.from_store import Start, fold_stored, stored_epoch
from tests.support.events import (
    DAY,
    START,
    burst,
    in_time,
    messages,
    office,
    rules,
    run,
    thief,
    workday,
)


def test_the_store_says_what_the_log_said_in_its_order(store: Store) -> None:
    stolen = [*thief(workday(8, 3), key_id="b"), *thief(workday(10, 3), key_id="a")]
    log = messages(in_time(office(11, key_id="a"), office(11, key_id="b", seed=2), stolen))
    accept = rules().acceptor.accept
    store.insert(USAGE_EVENTS, [use for each in log for use in accept(each, whole=True).uses])
    (found,) = fold_stored(store, rules(), [{}], 0.0, [Start(len(log), 0.0)])
    told = run(log).incidents
    assert {each.key_id for each in told} == {"a", "b"}
    assert found.incidents == told
    assert found.events == sum(each.value.count(b"\n") + 1 for each in log)


def test_what_an_earlier_log_had_comes_first_and_whatever_its_offsets(store: Store) -> None:
    """Kafka was lost, and its offsets begin again; by now the new log has deleted events, too."""
    first = messages(burst(START, 40), 1)
    second = messages(burst(START + DAY, 30), 1)
    accept = rules().acceptor.accept
    for log in (first, second):
        store.insert(USAGE_EVENTS, [use for each in log for use in accept(each, whole=True).uses])
    left = second[20]  # the first message that the log still has
    (found,) = fold_stored(store, rules(), [{}], 0.0, [Start(left.offset, left.appended_at)])
    assert found.events == 40 + 20
    days = {row.window_start: row.requests for row in found.windows if row.granularity == "1d"}
    assert list(days.values()) == [40, 20]


def test_the_epoch_of_the_totals_is_known_without_the_states(store: Store) -> None:
    assert stored_epoch(store) == 0
    fold = PartitionFold(rules(), 0, 1)
    fold.restore(REBUILD_KEY, b'{"epoch":3}')
    store.insert(SPEND_WINDOWS, run(messages(burst(START, 9)), fold).windows)
    assert stored_epoch(store) == 3
