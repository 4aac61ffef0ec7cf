"""Events in a partition that is not their key's are published once more, and once only."""

from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import POSITION_KEY, REBUILD_KEY
from pipeline.message import Message
from schemas.codec import decode_event
from schemas.key_record import KeyRecord
from schemas.partition import partition_of
from schemas.topics import MOVED_HEADER
from tests.support.events import START, control, event, packed, rules, run

PARTITIONS = 4
HERE = next(f"key-{n}" for n in range(99) if partition_of(f"key-{n}", PARTITIONS) == 0)
ELSEWHERE = next(f"key-{n}" for n in range(99) if partition_of(f"key-{n}", PARTITIONS) == 3)
SECRET = "sk-proj-" + "aB3_" * 12


def partition(number: int = 0) -> PartitionFold:
    return PartitionFold(rules(), number, PARTITIONS)


def moved(message: Message) -> Message:
    return Message(
        message.topic,
        message.partition,
        message.offset,
        message.value,
        message.appended_at,
        message.key,
        {**message.headers, MOVED_HEADER: "1"},
    )


def test_a_misplaced_event_is_moved_whole_and_its_neighbours_are_folded() -> None:
    stray = event(START, key_id=ELSEWHERE)
    outcome = run(
        [packed([event(START, key_id=HERE), stray, event(START + 1, key_id=HERE)])], partition()
    )
    assert [key_id for key_id, _ in outcome.moved] == [ELSEWHERE]
    assert decode_event(outcome.moved[0][1]) == stray
    assert outcome.fold.counts == {"folded": 2, "moved": 1}
    assert set(outcome.states) == {HERE, POSITION_KEY, REBUILD_KEY}
    assert not outcome.dead_letters


def test_a_moved_event_is_folded_where_it_belongs() -> None:
    stray = run([packed([event(START, key_id=ELSEWHERE)])], partition()).moved[0][1]
    outcome = run([moved(packed([stray], 5, appended_at=START))], partition(3))
    assert outcome.fold.counts["folded"] == 1
    assert not outcome.moved


def test_an_event_that_comes_back_is_a_dead_letter() -> None:
    events = [event(START, key_id=HERE), event(START, key_id=ELSEWHERE)]
    outcome = run([moved(packed(events, 9))], partition())
    assert not outcome.moved
    (letter,) = outcome.dead_letters
    assert (letter.reason, letter.offset, letter.index) == ("misplaced_twice", 9, 1)


def test_a_control_record_in_the_wrong_partition_is_a_dead_letter() -> None:
    outcome = run([control("key", KeyRecord(key_id=ELSEWHERE), 2)], partition())
    assert [each.reason for each in outcome.dead_letters] == ["misplaced_twice"]
    assert len(outcome.fold) == 0


def test_a_raw_key_moves_under_its_hash() -> None:
    stray = event(START, key_id=SECRET, user_agent=f"curl {SECRET}")
    folds = [run([packed([stray])], partition(number)) for number in range(PARTITIONS)]
    assert sorted(len(each.moved) for each in folds) == [0, 1, 1, 1]
    for each in folds:
        for key_id, raw in each.moved:
            assert key_id.startswith("sha256:")
            assert SECRET.encode() not in raw


def test_what_was_moved_or_refused_before_the_checkpoint_is_not_again() -> None:
    log = [packed([event(START, key_id=ELSEWHERE), b"{broken"], offset) for offset in range(3)]
    first = run(log, partition())
    heir = partition()
    for key, state in first.states.items():
        heir.restore(key, state or b"")
    again = run([*log, packed([event(START, key_id=ELSEWHERE)], 3)], heir)
    assert (len(first.moved), len(first.dead_letters)) == (3, 3)
    assert (len(again.moved), len(again.dead_letters)) == (1, 0)


def test_a_replay_takes_every_key_wherever_it_stands() -> None:
    outcome = run([packed([event(START, key_id=HERE), event(START, key_id=ELSEWHERE)])])
    assert outcome.fold.counts["folded"] == 2
    assert not outcome.moved
