"""What a partition keeps when it is folded anew, and which totals it may say."""

import pytest

from detectors.contract import KeyView
from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import (
    CALIBRATION_KEY,
    POSITION_KEY,
    REBUILD_KEY,
    OtherLogError,
    Rebuild,
)
from pipeline.engine.judging import end
from pipeline.engine.rebuilding import fresh_states, latest_epoch, with_position
from pipeline.engine.revisions import open_incident
from pipeline.engine.state import decode_state
from schemas.fields import epoch
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    START,
    Outcome,
    burst,
    control,
    event,
    packed,
    rules,
    run,
)
from tests.support.samples import verdict

EPOCH = 1 << 40


def partition() -> PartitionFold:
    return PartitionFold(rules(), 0, 1)


def stored(outcome: Outcome) -> dict[str, bytes]:
    return {key: raw for key, raw in outcome.states.items() if raw is not None}


def restored(states: dict[str, bytes]) -> PartitionFold:
    fold = partition()
    for key, raw in states.items():
        fold.restore(key, raw)
    return fold


LOG = [
    control("key", KeyRecord(key_id=KEY, team="search"), 0),
    packed(burst(START + DAY - 60, 4, seconds=40.0), 1),
    packed(burst(START + DAY + 60, 5, seconds=50.0), 2),
    packed(burst(START + DAY + 90, 3, seconds=30.0, key_id="other"), 3),
]


def test_registry_entries_stay_and_all_else_goes() -> None:
    states = stored(run(LOG, partition())) | {CALIBRATION_KEY: b"{}", "unreadable": b"\xff"}
    fresh = dict(fresh_states(states, Rebuild(3, START), start=7))
    assert fresh["other"] is None
    assert fresh["unreadable"] is None
    assert fresh[POSITION_KEY] == b"6"
    assert CALIBRATION_KEY not in fresh
    kept = decode_state(fresh[KEY] or b"")
    assert kept.record is not None
    assert kept.record.team == "search"
    assert (kept.clock, kept.windows.days) == (0.0, {})


def test_who_lost_an_entry_gets_what_the_registry_told() -> None:
    entry = KeyRecord(key_id="lost", canary=True, created_at=START - 100 * DAY)
    states = stored(run(LOG, partition())) | {"later": b"\x91\x63"}
    told = [entry, KeyRecord(key_id="later", team="a"), KeyRecord(key_id=KEY, team="renamed")]
    fresh = dict(fresh_states(states, Rebuild(1, START), 0, told))
    kept = {key: decode_state(fresh[key] or b"") for key in ("lost", "later", KEY)}
    teams = {key: state.record.team for key, state in kept.items() if state.record is not None}
    assert teams == {"lost": None, "later": "a", KEY: "search"}
    assert kept["lost"].record == entry
    assert not kept["lost"].laid_by, "nobody knows since when it is used"


def test_totals_of_a_rebuild_win_and_those_before_it_stay() -> None:
    first = run(LOG, partition())
    fresh = fresh_states(stored(first), Rebuild(1, START + DAY), start=1)
    states = {key: raw for key, raw in fresh if raw is not None}
    again = run(LOG, restored(states))
    assert {start for _, _, start in again.rows} >= {START + DAY}
    assert min(start for _, _, start in again.rows) == START + DAY
    for place, row in again.rows.items():
        assert row.requests == first.rows[place].requests
        assert row.version == EPOCH + first.rows[place].version
    assert any(epoch(row.window_start) < START + DAY for row in first.rows.values())


def test_an_incident_has_the_same_id_wherever_the_fold_began() -> None:
    """By its id people's word about it is found, and notify knows what it has told."""
    planted = control("key", KeyRecord(key_id=KEY, canary=True), 0)
    log = [planted, packed(burst(START, 4, seconds=40.0), 1)]
    (one,) = {each.incident_id for each in run(log, partition()).incidents}
    seen = verdict(verdict="acknowledge", incident_id=one, key_id=KEY, at=START + HOUR)
    log.append(control("verdict", seen, 2, at=START + HOUR))
    log.append(packed(burst(START + 20 * DAY, 4, seconds=40.0), 3))
    whole = run(log, partition())
    *_, two = [each.incident_id for each in whole.incidents]
    assert one != two
    fresh = fresh_states(stored(whole), Rebuild(1, START + 20 * DAY), start=3)
    again = run(log[3:], restored({key: raw for key, raw in fresh if raw is not None}))
    assert {each.incident_id for each in again.incidents} == {two}


def test_incidents_of_one_moment_have_ids_of_their_own() -> None:
    """Clocks of gateways may tell whole seconds, and people end an incident within one."""
    state = run(LOG, partition()).fold.state_of(KEY)
    assert state is not None
    view = KeyView(KEY, START + 2 * DAY, state.history, state.windows, state.record)
    ids = []
    for _ in range(4):
        incident = state.incident = open_incident(state, view, [])
        ids.append(incident.incident_id)
        end(state, incident)
    assert len(set(ids)) == 4


def test_the_epoch_lasts_and_grows() -> None:
    fold = restored({REBUILD_KEY: b'{"epoch":4,"since":0.0}'})
    assert {row.version >> 40 for row in run(LOG, fold).rows.values()} == {4}
    assert latest_epoch([{}, {REBUILD_KEY: b'{"epoch":4}'}, {REBUILD_KEY: b'{"epoch":2}'}]) == 4
    assert latest_epoch([]) == 0


@pytest.mark.parametrize("offset", [0, 6])
def test_what_lies_before_the_start_is_not_folded(offset: int) -> None:
    states = {key: raw for key, raw in fresh_states({}, Rebuild(1, 0.0), start=7) if raw}
    outcome = run([packed(burst(START, 3), offset)], restored(states))
    assert outcome.fold.counts == {"already_folded": 3}


def test_what_was_moved_before_the_rebuild_is_not_moved_again() -> None:
    """It is in the log where it belongs already, and there would be late: counted twice."""
    stray = next(key for key in map("key-{}".format, range(99)) if partition_of(key, 2) == 1)
    log = [packed([event(START + n, key_id=stray)], n) for n in range(3)]
    first = run(log[:2], PartitionFold(rules(), 0, 2))
    assert len(first.moved) == 2
    states = stored(first)
    for number in (1, 2):
        fresh = fresh_states(states, Rebuild(number), start=0)
        states = {key: raw for key, raw in fresh if raw is not None}
    fold = PartitionFold(rules(), 0, 2)
    for key, raw in states.items():
        fold.restore(key, raw)
    assert len(run(log, fold).moved) == 1


def test_a_log_that_was_made_anew_is_not_taken_for_read() -> None:
    states = stored(run(LOG, partition()))
    anew = packed(burst(START + 5 * DAY, 3), 0)
    with pytest.raises(OtherLogError, match=r"offset 0 is younger than 3, .* `leakline rebuild"):
        run([anew], restored(states))
    fresh = {key: raw for key, raw in fresh_states(states, Rebuild(1), start=0) if raw}
    assert run([anew], restored(fresh)).fold.counts == {"folded": 3}
    earlier = states | {REBUILD_KEY: b'{"epoch":1,"since":0.0}'}  # it noted no time
    assert run([anew], restored(earlier)).fold.counts == {"already_folded": 3}


def test_what_an_earlier_log_had_moved_is_none_of_the_new_one() -> None:
    stray = next(key for key in map("key-{}".format, range(99)) if partition_of(key, 2) == 1)
    log = [packed([event(START + n, key_id=stray)], n) for n in range(3)]
    states = stored(run(log, PartitionFold(rules(), 0, 2)))
    for number in (1, 2):  # the first failed halfway
        begun = Rebuild(number, read_at=START + DAY - 1.0)
        states = {key: raw for key, raw in fresh_states(states, begun, start=1) if raw}
    fold = PartitionFold(rules(), 0, 2)
    for key, raw in states.items():
        fold.restore(key, raw)
    anew = [packed([event(START + DAY + n, key_id=stray)], n + 1) for n in range(3)]
    assert len(run(anew, fold).moved) == 3


def test_what_was_moved_before_the_states_were_lost_is_not_moved_again() -> None:
    """How far the log was read is known by the group, too."""
    stray = next(key for key in map("key-{}".format, range(99)) if partition_of(key, 2) == 1)
    assert with_position({}, 0) == {}
    assert with_position({POSITION_KEY: b"7"}, 3) == {POSITION_KEY: b"7"}
    states = with_position({}, 2)
    fold = PartitionFold(rules(), 0, 2)
    for key, raw in fresh_states(states, Rebuild(1), start=0):
        fold.restore(key, raw or b"")
    log = [packed([event(START + n, key_id=stray)], n) for n in range(3)]
    assert len(run(log, fold).moved) == 1


@pytest.mark.parametrize("together", [1, 4])
def test_a_key_that_is_ahead_of_its_partition_takes_nothing_twice(together: int) -> None:
    """A partition whose own record was lost reads again what its keys have taken."""
    whole = run(LOG, partition())
    ahead = {key: raw for key, raw in stored(run(LOG[:2], partition())).items() if key == KEY}
    again = run(LOG, restored(ahead), together=together)
    assert stored(again) == stored(whole)
    assert again.fold.counts == {"already_folded": 4, "folded": 8}
