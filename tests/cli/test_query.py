import json
import re
import sys
from pathlib import Path

import pytest

from pipeline.config import Store as StoreConfig
from pipeline.store import Store
from pipeline.store.questions import find_question
from pipeline.store.rows import INCIDENTS
from schemas.codec import encode
from tests.cli.conftest import Leakline
from tests.engine.test_owners import NOW, looped, service
from tests.support.events import HOUR, KEY, START, in_time
from tests.support.samples import AT, KEY_ID, incident

LINES = [
    {"event_id": f"e{n}", "occurred_at": 1_767_225_600 + n, "key_id": f"k{n % 2}", "cost_usd": 1}
    for n in range(5)
]
EVIL = "\x1b]0;owned\x07"
BAD = '{"event_id": "b1", "occurred_at": 1767225600, "key_id": "k0", "status": "fine"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a few events, filled once."""
    from pipeline.cli.app import app  # noqa: PLC0415 - as a command would

    root = tmp_path_factory.mktemp("query")
    events = root / "events.jsonl"
    events.write_text("\n".join([*map(json.dumps, LINES), BAD, f'"{EVIL}"']))
    words = ["replay", "--events", str(events), "--store", str(root / "store")]
    assert app(words, standalone_mode=False) is None
    return root / "store"


def test_a_named_question(leakline: Leakline, folder: Path) -> None:
    outcome = leakline("query", "top-keys", "--store", folder, "-p", "limit=1", "--format", "json")
    assert outcome.code == 0
    (row,) = json.loads(outcome.out)
    assert (row["key_id"], row["spend_usd"], row["requests"]) == ("k0", 3, 3)


def test_sql_that_only_reads(leakline: Leakline, folder: Path) -> None:
    sql = "SELECT key_id, count() AS n FROM v_usage_events GROUP BY key_id ORDER BY key_id"
    outcome = leakline("query", "--sql", sql, "--store", folder, "--format", "csv")
    assert outcome.out.split() == ["key_id,n", "k0,3", "k1,2"]


@pytest.mark.parametrize(
    "sql",
    ["DROP TABLE usage_events", "SELECT file('/etc/hostname')", "SELECT 1 SETTINGS readonly = 0"],
)
def test_sql_that_does_more_than_read_is_refused(
    leakline: Leakline, folder: Path, sql: str
) -> None:
    outcome = leakline("query", "--sql", sql, "--store", folder)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("top-keys", "--sql", "SELECT 1"),
        ("no-such-question",),
        ("top-keys", "-p", "limit"),
        ("--sql", "SELECT 1", "-p", "limit=1"),
    ],
)
def test_a_question_asked_wrongly(leakline: Leakline, arguments: tuple[str, ...]) -> None:
    outcome = leakline("query", *arguments)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


def test_the_examples_of_the_help_name_what_the_questions_take(leakline: Leakline) -> None:
    words = " ".join(leakline("query", "--help").out.replace("│", " ").split())
    examples = re.findall(r"leakline query ([a-z]\S*)((?: -(?:p|-\w+) ?\S+)*)", words)
    assert {"top-keys", "incident-timeline"} <= {name for name, _ in examples}
    for name, options in examples:
        taken = {each.name for each in find_question(name).parameters}
        assert set(re.findall(r"-p (\w+)=", options)) <= taken


def test_the_list_says_what_each_takes(leakline: Leakline) -> None:
    assert "-p limit=" in leakline("query", "--list").out


def test_dead_letters_are_listed_and_shown(leakline: Leakline, folder: Path) -> None:
    listed = leakline("dead-letters", "list", "--store", folder)
    assert set(listed.err.splitlines()) == {"wrong_type: 1", "not_json: 1"}
    place = "events.jsonl/0/6/0"
    assert place in listed.out.split()
    shown = leakline("dead-letters", "show", place, "--store", folder)
    assert BAD in shown.out
    missing = leakline("dead-letters", "show", "events.jsonl/0/8/0", "--store", folder)
    assert (missing.code, missing.err.count("\n")) == (1, 1)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        ("dead-letters", "show", "events.jsonl/0/7/0"),
        ("query", "--format", "csv", "--sql", f"SELECT '{EVIL}' AS agent"),
    ],
    ids=" ".join,
)
def test_control_characters_go_to_files_alone(
    leakline: Leakline,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    *,
    terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    outcome = leakline(*words, "--store", folder)
    assert outcome.code == 0
    assert ("\\u001b]0;owned\\u0007" if terminal else EVIL) in outcome.out
    assert ("\x1b" in outcome.out) is not terminal


def test_an_error_obeys_no_control_characters(leakline: Leakline, folder: Path) -> None:
    outcome = leakline("query", "--store", folder, "--sql", f"SELECT toUInt8('{EVIL}')")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "owned" in outcome.err
    assert "\x1b" not in outcome.err


def test_what_still_cannot_be_read_is_not_put_back(leakline: Leakline, folder: Path) -> None:
    outcome = leakline("dead-letters", "retry", "events.jsonl/0/6/0", "--store", folder)
    assert outcome.code == 1
    assert outcome.out == "put back 0 of 1\n"


def test_a_key_is_explained_from_the_store(leakline: Leakline, folder: Path) -> None:
    outcome = leakline("explain", "k0", "--store", folder)
    assert outcome.code == 0
    assert outcome.out.startswith("k0: 3 events, $3.00, 2026-01-01 00:00:00Z")
    assert leakline("explain", "k9", "--store", folder).code == 1


def test_a_loop_that_costs_cents_is_said_not_to_page_for_that(
    leakline: Leakline, tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    loop = in_time(service(START, NOW + HOUR), looped(2e-8))
    events.write_bytes(b"\n".join(encode(each) for each in loop))
    (reason,) = [
        line
        for line in leakline("explain", KEY, "--events", events).out.splitlines()
        if line.startswith("It did not page")
    ]
    assert reason.endswith("; use of the owner's own that costs cents does not page.")


def test_a_page_that_is_over_by_now_is_explained_from_the_store(
    leakline: Leakline, tmp_path: Path
) -> None:
    over = incident(revision=2, status="resolved", severity="info", detected_at=AT + 86_400)
    with Store.open(StoreConfig(path=tmp_path / "store")) as store:
        store.migrate()
        store.insert(INCIDENTS, [incident(), over])
    outcome = leakline("explain", KEY_ID, "--store", tmp_path / "store")
    first, told, *_ = outcome.out.splitlines()
    assert first == f"{KEY_ID}: 0 events, $0.00"
    assert "revision 1: open page, leaked" in told
    assert "revision 2: resolved info" in outcome.out
    assert "It did not page" not in outcome.out


@pytest.mark.parametrize(
    "words",
    [
        "query top-keys",
        "explain key-1",
        "dead-letters list",
        "dead-letters show usage-events/0/0/0",
        "dead-letters retry usage-events/0/0/0",
        "dead-letters drop usage-events/0/0/0",
    ],
)
def test_a_store_that_is_not_there_is_not_begun(
    leakline: Leakline, tmp_path: Path, words: str
) -> None:
    outcome = leakline(*words.split(), "--store", tmp_path)
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "there is no store yet" in outcome.err
    assert not list(tmp_path.iterdir())
