"""A fold of the store says what a fold of the log said."""

from pipeline.store import Store
from pipeline.store.rows import USAGE_EVENTS
from pipeline.workers.from_store import fold_stored
from tests.support.events import in_time, messages, office, rules, run, thief, workday


def test_the_store_says_what_the_log_said_in_its_order(store: Store) -> None:
    stolen = [*thief(workday(8, 3), key_id="b"), *thief(workday(10, 3), key_id="a")]
    log = messages(in_time(office(11, key_id="a"), office(11, key_id="b", seed=2), stolen))
    accept = rules().acceptor.accept
    store.insert(USAGE_EVENTS, [use for each in log for use in accept(each, whole=True).uses])
    (found,) = fold_stored(store, rules(), [{}], 0.0, [len(log)])
    told = run(log).incidents
    assert {each.key_id for each in told} == {"a", "b"}
    assert found.incidents == told
    assert found.events == sum(each.value.count(b"\n") + 1 for each in log)
