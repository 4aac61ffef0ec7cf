"""A simulated fleet through the commands, as a newcomer would do it."""

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.cli.app import app
from pipeline.config import Store as StoreConfig
from pipeline.store import Store
from pipeline.store.history import event_lines
from pipeline.store.rows import INCIDENTS
from schemas.codec import encode
from tests.cli.conftest import Leakline
from tests.store.records import INCIDENT
from tests.support.events import ABROAD, burst, event, in_time, office, workday

NAMES = ("events", "provider-usage", "keys", "labels", "incidents")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("fleet")
    files = {name: root / f"{name}.jsonl" for name in NAMES}
    options = [word for name in NAMES[:4] for word in (f"--{name}", str(files[name]))]
    app(
        ["simulate", "--preset", "small", "--key-count", "12", "--days", "5", *options],
        standalone_mode=False,
    )
    replayed = [word for n in ("events", "keys", "incidents") for word in (f"--{n}", str(files[n]))]
    app(["replay", *replayed], standalone_mode=False)
    return files


def test_a_replay_gives_the_same_incidents_again(
    leakline: Leakline, fleet: dict[str, Path]
) -> None:
    outcome = leakline(
        "replay", "--events", fleet["events"], "--keys", fleet["keys"], "--incidents", "-"
    )
    assert outcome.out == fleet["incidents"].read_text()


def test_incidents_are_held_against_labels(leakline: Leakline, fleet: dict[str, Path]) -> None:
    files = [f"--{n}={fleet[n]}" for n in ("incidents", "labels", "events")]
    assert "key-weeks" in leakline("evaluate", *files).out
    assert "key_weeks" in json.loads(leakline("evaluate", *files, "--json").out)


def test_a_file_of_no_events_is_doubted(leakline: Leakline, fleet: dict[str, Path]) -> None:
    files = [f"--{n}={fleet[n]}" for n in ("incidents", "labels")]
    assert not leakline("evaluate", *files, "--events", fleet["events"]).err
    outcome = leakline("evaluate", *files, "--events", fleet["keys"])
    assert (outcome.code, "0 events, 0 keys" in outcome.out) == (0, True)
    doubt = f"leakline: {fleet['keys']}: holds no usage events; was this replayed?"
    assert outcome.err.splitlines()[-1] == doubt


def test_lines_that_no_judgement_saw_are_counted(
    leakline: Leakline, fleet: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"{\nno json\n\xff\n" + fleet["events"].read_bytes())
    files = [f"--{n}={fleet[n]}" for n in ("incidents", "labels")]
    whole = leakline("evaluate", *files, "--events", fleet["events"])
    partly = leakline("evaluate", *files, "--events", broken)
    assert (partly.code, partly.out) == (0, whole.out)
    assert partly.err.splitlines() == [
        "leakline: broken.jsonl: left out for not_json: 2 lines",
        "leakline: broken.jsonl: left out for not_utf8: 1 line",
    ]


def test_every_key_can_be_explained(leakline: Leakline, fleet: dict[str, Path]) -> None:
    for line in fleet["keys"].read_text().splitlines()[:3]:
        key_id = json.loads(line)["key_id"]
        outcome = leakline("explain", key_id, "--events", fleet["events"], "--keys", fleet["keys"])
        assert outcome.code == 0
        assert outcome.out.startswith(f"{key_id}: ")
        assert "It did not page" in outcome.out or " page, " in outcome.out


def test_the_store_says_why_a_key_did_not_page(
    leakline: Leakline, fleet: dict[str, Path], tmp_path: Path
) -> None:
    """As much as a replay of the key's recorded events says, if the registry is named."""
    store, keys = tmp_path / "store", ("--keys", fleet["keys"])
    leakline("replay", "--events", fleet["events"], *keys, "--store", store)
    incidents = map(json.loads, fleet["incidents"].read_text().splitlines())
    paged = {each["key_id"] for each in incidents if each["severity"] == "page"}
    everybody = {json.loads(each)["key_id"] for each in fleet["events"].read_text().splitlines()}
    for key_id in (max(paged), *sorted(everybody - paged)[:2]):
        recorded = leakline("explain", key_id, "--events", fleet["events"], *keys)
        stored = leakline("explain", key_id, "--store", store, *keys)
        assert (stored.code, stored.out) == (0, recorded.out)
        assert ("It did not page: " in stored.out) is (key_id not in paged)
        blind = leakline("explain", key_id, "--store", store).out
        assert "Judged again from its events in the store, without the key registry" in blind


def test_a_row_that_cannot_be_read_keeps_no_key_from_being_explained(
    leakline: Leakline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.open(StoreConfig(path=tmp_path)) as store:
        store.migrate()
        store.insert(INCIDENTS, [INCIDENT, replace(INCIDENT, incident_id="inc-2")])
        store.change(
            "ALTER TABLE incidents UPDATE signals = '[erased]' WHERE incident_id = 'inc-2'"
            " SETTINGS mutations_sync = 1"
        )
    outcome = leakline("explain", INCIDENT.key_id, "--store", tmp_path)
    assert outcome.code == 0
    assert INCIDENT.signals[0].summary in outcome.out
    assert "cannot be read: incident inc-2: " in caplog.text


def test_a_busy_key_is_judged_by_its_newest_hours(
    leakline: Leakline, fleet: dict[str, Path], tmp_path: Path
) -> None:
    leakline("replay", "--events", fleet["events"], "--store", tmp_path / "store")
    events = [json.loads(line) for line in fleet["events"].read_text().splitlines()]
    key_id = events[-1]["key_id"]
    times = [each["occurred_at"] for each in events if each["key_id"] == key_id]
    hours = Counter(each[:13] for each in times)
    with Store.open_existing(StoreConfig(path=tmp_path / "store")) as store:
        for most, wanted in (
            (None, hours),
            (hours.total() - 1, sorted(hours)[1:]),
            (1, sorted(hours)[-1:]),
        ):
            found = [json.loads(line) for line in event_lines(store, key_id, most)]
            assert {each["key_id"] for each in found} == {key_id}
            assert Counter(each["occurred_at"][:13] for each in found).keys() == set(wanted)


def test_what_an_explanation_leaves_out_is_said(
    leakline: Leakline, fleet: dict[str, Path], tmp_path: Path
) -> None:
    """Without its registry a key may be judged otherwise."""
    key_id = json.loads(fleet["keys"].read_text().splitlines()[0])["key_id"]
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"\xff\n" + fleet["keys"].read_bytes() + b"no json\n{\n")
    words = ("explain", key_id, "--events", fleet["events"], "--keys")
    whole, partly = leakline(*words, fleet["keys"]), leakline(*words, broken)
    assert (partly.out, whole.err) == (whole.out, "")
    assert partly.err.splitlines() == [
        "leakline: broken.jsonl: left out for not_json: 2 lines",
        "leakline: broken.jsonl: left out for not_utf8: 1 line",
    ]


def test_a_key_is_explained_from_one_place(
    leakline: Leakline, fleet: dict[str, Path], tmp_path: Path
) -> None:
    outcome = leakline("explain", "k", "--events", fleet["events"], "--store", tmp_path)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "--events and --store" in outcome.err


@pytest.mark.parametrize("name", ["", " "])
def test_no_key_is_explained_without_a_name(
    leakline: Leakline, fleet: dict[str, Path], name: str
) -> None:
    outcome = leakline("explain", name, "--events", fleet["events"])
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "KEY_ID" in outcome.err


def verdict_on(incident: dict[str, object], what: str, until: str) -> str:
    said = {"verdict": what, "by": "ana", "at": incident["detected_at"], "until": until}
    return json.dumps(said | {"incident_id": incident["incident_id"], "key_id": "key-1"})


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (10, "11:03:41Z, and its strangers until 2026-10-17 11:03:41Z."),
        (15, "but people were told of these strangers, who do no more than before."),
    ],
)
def test_a_stranger_whom_people_were_told_of_is_said_to_be_known(
    leakline: Leakline, tmp_path: Path, again: int, why: str
) -> None:
    events = tmp_path / "events.jsonl"
    tries = [
        event(workday(day, 10) + n * 60, client_ip=ABROAD, user_agent="curl/8.5.0")
        for day in (8, again)
        for n in range(101)
    ]
    events.write_bytes(b"\n".join(map(encode, in_time(office(18), tries))))
    (line,) = [
        each
        for each in leakline("explain", "key-1", "--events", events).out.splitlines()
        if "Kept" in each
    ]
    assert line.endswith(why)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("benign", "a person had found nothing wrong, which holds until 2026-10-09 00:00:00Z."),
        ("snooze", "its incident was snoozed until 2026-10-09 00:00:00Z."),
        (None, "nobody had answered the incident before it; its like waits until 2026-10-0"),
    ],
)
def test_what_was_kept_quiet_is_explained(
    leakline: Leakline, tmp_path: Path, what: str | None, why: str
) -> None:
    events, incidents, verdicts = [tmp_path / f"{n}.jsonl" for n in "eiv"]
    loops = [burst(workday(day, 2), 400, cost_usd=0.5) for day in (8, 10)]
    events.write_bytes(b"\n".join(map(encode, in_time(office(12), *loops))))
    leakline("replay", "--events", events, "--incidents", incidents)
    lines = [json.loads(line) for line in incidents.read_text().splitlines()]
    last = [line for line in lines if line["severity"] == "page"][-1]
    verdicts.write_text(verdict_on(last, what, "2026-10-09T00:00:00Z") if what else "")
    files = ("--events", events, "--verdicts", verdicts)
    (line,) = [
        each for each in leakline("explain", "key-1", *files).out.splitlines() if "Kept" in each
    ]
    leakline("replay", *files, "--store", tmp_path / "store")
    assert line in leakline("explain", "key-1", "--store", tmp_path / "store").out.splitlines()
    assert " nats for runaway at 2026-" in line
    assert f" would have paged, but {why}" in line


def test_what_has_no_price_is_not_called_free(leakline: Leakline, tmp_path: Path) -> None:
    events, store = tmp_path / "events.jsonl", tmp_path / "store"
    use = burst(workday(8, 2), 3, cost_usd=None, model="mystery-7b")
    events.write_bytes(b"\n".join(map(encode, use)))
    leakline("replay", "--events", events, "--store", store)
    for where in (("--events", events), ("--store", store)):
        line = leakline("explain", "key-1", *where).out.splitlines()[0]
        assert line.startswith("key-1: 3 events, of unknown price, ")


def test_who_silenced_an_incident_and_how_is_said(leakline: Leakline, tmp_path: Path) -> None:
    events, incidents, verdicts = [tmp_path / f"{n}.jsonl" for n in "eiv"]
    stolen = burst(workday(8, 2), 400, cost_usd=0.5)
    events.write_bytes(b"\n".join(map(encode, in_time(office(12), stolen))))
    leakline("replay", "--events", events, "--incidents", incidents)
    page = [json.loads(line) for line in incidents.read_text().splitlines()][-1]
    page["detected_at"] = "2026-09-29T02:30:00Z"
    snooze = json.loads(verdict_on(page, "snooze", "2026-09-29T06:30:00Z"))
    right = {"verdict": "benign", "until": None, "at": "2026-09-29T09:00:00Z", "note": "a batch"}
    verdicts.write_text(f"{json.dumps(snooze)}\n{json.dumps(snooze | right)}\n")
    files = ("--events", events, "--verdicts", verdicts)
    told = leakline("explain", "key-1", *files).out.splitlines()
    incident_id = page["incident_id"]
    at = told.index(
        f"2026-09-29 02:30:00Z {incident_id}: ana said snooze until 2026-09-29 06:30:00Z"
    )
    assert ": suppressed info, runaway" in told[at + 1]
    assert f"2026-09-29 09:00:00Z {incident_id}: ana said benign: a batch" in told[at + 1 :]
    leakline("replay", *files, "--store", tmp_path / "store")
    stored = leakline("explain", "key-1", "--store", tmp_path / "store").out.splitlines()
    assert [line for line in stored if "said" in line] == [line for line in told if "said" in line]


def test_a_provider_key_that_only_a_bill_names_can_be_explained(
    leakline: Leakline, tmp_path: Path
) -> None:
    at, events, bills = 1_767_225_600, tmp_path / "events.jsonl", tmp_path / "bills.jsonl"
    events.write_text(json.dumps({"event_id": "e", "occurred_at": at, "key_id": "another"}))
    bill = {"provider": "openai", "provider_key_id": "p", "cost_usd": 300, "input_tokens": 10**7}
    times = {"window_start": at, "window_end": at + 3600, "observed_at": at + 7200}
    bills.write_text(json.dumps(bill | times))
    outcome = leakline("explain", "p", "--events", events, "--provider-usage", bills)
    first, told, *_ = outcome.out.splitlines()
    assert (outcome.code, first) == (0, "p: 0 events, $0.00")
    assert "open page, off_gateway" in told
    assert "$0.00 and $300.00 past the gateway spent where" in told


def test_a_policy_is_rehearsed(leakline: Leakline, fleet: dict[str, Path], tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rules]]\nname = "all"\nthen = "ask"\n')
    outcome = leakline("policy", "test", "--policy", policy, "--incidents", fleet["incidents"])
    assert outcome.code == 0
    count = len(fleet["incidents"].read_text().splitlines())
    assert outcome.err == f"{count} decisions\n"


def test_a_broken_policy_is_a_usage_error(leakline: Leakline, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rules]]\nname = "all"\nthen = "pray"\n')
    outcome = leakline("policy", "test", "--policy", policy, "--incidents", policy)
    assert outcome.code == 2
    assert outcome.err.startswith("leakline: rules.0.then: ")
