"""States of earlier releases are read by this one, and others are refused in plain words."""

from pathlib import Path

import msgspec
import pytest

from pipeline.engine import PartitionFold
from pipeline.engine.bookkeeping import (
    CALIBRATION_KEY,
    POSITION_KEY,
    REBUILD_KEY,
    Bookkeeping,
    Rebuild,
)
from pipeline.engine.state import decode_state, encode_state
from pipeline.engine.states import States
from pipeline.engine.stored import VERSION, UnknownStateError
from schemas.key_record import KeyRecord
from tests.support.events import (
    KEY,
    START,
    control,
    event,
    in_time,
    messages,
    office,
    packed,
    registered,
    rules,
    run,
    thief,
    workday,
)

DATA = Path(__file__).parent.parent / "data"
GOLDEN = sorted(DATA.glob("state-v*.msgpack"))


def golden() -> bytes:
    """A state with something in every field: an open incident, a registry entry, newcomers."""
    record = KeyRecord(key_id=KEY, timezone="Europe/Vienna", daily_budget_usd=50.0, tags=["a"])
    stolen = in_time(office(9), thief(workday(8, 10.25), 60))
    state = run([control("key", record), *messages(stolen, 50)]).states[KEY]
    assert state is not None
    return state


def test_an_old_key_waits_for_its_first_use_in_the_store_too() -> None:
    record = KeyRecord(key_id=KEY, created_at=START - 90 * 86_400.0)
    stored = run([registered(record, START)]).states[KEY]
    assert stored is not None
    assert decode_state(stored).laid_by == START


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_state_of_an_earlier_release_goes_on(path: Path) -> None:
    fold = PartitionFold(rules())
    fold.restore(KEY, path.read_bytes())
    state = fold.state_of(KEY)
    assert state is not None
    assert state.incident is not None
    assert state.record is not None
    assert state.history.hours > 50
    outcome = run(messages(thief(workday(9, 9), 30)), fold)
    assert outcome.fold.counts["folded"] == 30
    assert outcome.states[KEY]


def test_what_an_earlier_release_kept_beside_its_keys_goes_on() -> None:
    """A change that cannot read it needs a default for what is new, or a conversion."""
    stored = msgspec.json.decode((DATA / "detect-books-v1.json").read_bytes())
    books = Bookkeeping(rules().calibration)
    for name, key in (
        ("calibration", CALIBRATION_KEY), ("position", POSITION_KEY), ("rebuild", REBUILD_KEY),
    ):  # fmt: skip
        assert books.restore(key, msgspec.json.encode(stored[name]))
    assert (books.position, books.rebuild) == (41, Rebuild(2, 1_790_000_000.0, 17))
    kept = books.calibration
    assert (kept.version, kept.page_nats, kept.cohorts) == ("c1", 12.0, {"prod": 9.0})
    assert (kept.p_value("crowd", 4.5), kept.weights) == (0.001, {"crowd": 0.5})


def test_there_is_a_golden_state_of_this_version() -> None:
    """After a change of the layout: raise VERSION, read the old one, and store a new file."""
    assert f"state-v{VERSION}.msgpack" in {path.name for path in GOLDEN}


def test_what_is_read_is_written_again_to_the_byte() -> None:
    raw = golden()
    assert encode_state(decode_state(raw)) == raw


def test_a_state_of_another_version_is_refused_by_its_number() -> None:
    fields = msgspec.msgpack.decode(golden())
    raw = msgspec.msgpack.encode([VERSION + 1, *fields[1:]])
    with pytest.raises(UnknownStateError, match=f"version {VERSION + 1}.*version {VERSION}"):
        PartitionFold(rules()).restore(KEY, raw)


def test_stored_states_wait_as_they_are_until_they_are_asked_for() -> None:
    states = States()
    states.restore(KEY, golden())
    states.restore("other", golden())
    assert (len(states), list(states.in_use)) == (2, [])
    found = states.find(KEY)
    assert found is not None
    assert encode_state(found) == golden()
    assert states.find(KEY) is found
    assert (len(states), list(states.in_use)) == (2, [KEY])
    assert states.find("nobody") is None


def test_slices_of_version_1_are_numbered() -> None:
    old = msgspec.msgpack.decode((DATA / "state-v1.msgpack").read_bytes())
    (*_, (minutes, hours, _), _, _, _, _, _) = old
    state = decode_state((DATA / "state-v1.msgpack").read_bytes())
    windows = state.windows
    for olds, news in ((minutes, windows.minutes), (hours, windows.hours)):
        assert {number: list(each[7]) for number, each in olds.items()} == {
            number: windows.named(each.slices) for number, each in news.items()
        }
    assert decode_state(encode_state(state)).windows == windows


def test_what_version_2_kept_of_clients_versions_is_left_out() -> None:
    state = decode_state((DATA / "state-v2.msgpack").read_bytes())
    (newcomer,) = state.history.newcomers.values()
    assert (newcomer.first_names, newcomer.shape.samples) == (0, 25.0)
    assert state.history.shape.samples == 511.0
    assert state.history.month_guessed == 0


MISSHAPEN = [b"", b"\x00", b"{}", b"\x92\x00\x02", b"\x93\x01\x02\x03", b"\xff" * 40, b"\x91\xa1x"]


@pytest.mark.parametrize("raw", [*MISSHAPEN, msgspec.msgpack.encode([1, *[[[], []]] * 18])])
def test_what_is_no_state_is_refused(raw: bytes) -> None:
    with pytest.raises(UnknownStateError):
        decode_state(raw)


def test_a_damaged_text_is_refused_as_well() -> None:
    raw = golden()
    at = raw.index(b"Europe/Vienna")
    with pytest.raises(UnknownStateError, match="cannot be read"):
        decode_state(raw[:at] + b"\xff" + raw[at + 1 :])


def test_what_an_earlier_release_had_pending_is_counted_on() -> None:
    state = run([packed([event(START), event(START + 1)])]).fold.state_of(KEY)
    assert state is not None
    assert state.pending
    state.windows.hours.clear()  # it began an hour's window later than this one does
    fold = PartitionFold(rules())
    fold.restore(KEY, encode_state(state))
    outcome = run([packed([event(START + 2, end_user="bob", input_tokens=10**6)], 1)], fold)
    (hour,) = [row for row in outcome.rows.values() if row.granularity == "1h"]
    assert hour.requests == 2
