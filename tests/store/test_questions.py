from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from pipeline.store import Store, StoreRefused
from pipeline.store.errors import StoreOnlyReads
from pipeline.store.output import RENDERERS, for_terminal
from pipeline.store.questions import (
    QuestionError,
    bind,
    export_question,
    export_sql,
    find_question,
    list_questions,
    run_question,
    run_sql,
)
from pipeline.store.rows import (
    ACTION_RESULTS,
    ACTIONS,
    DEAD_LETTERS,
    INCIDENTS,
    SPEND_WINDOWS,
    USAGE_EVENTS,
    VERDICTS,
)
from schemas.usage_event import UsageEvent
from tests.store.records import (
    ACTION,
    AT,
    AT_SECONDS,
    DEAD,
    INCIDENT,
    RESULT,
    SIGNAL,
    VERDICT,
    WINDOW,
    usage,
)
from tests.store.test_client import SOURCE, accepted, packed

REQUIRED = {"key": "key-1", "incident": "inc-1"}
NAMES = [question.name for question in list_questions()]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture
def filled(any_store: Store) -> Store:
    other = msgspec.structs.replace(SOURCE, ip="198.51.100.7", asn=64501, country="US")
    old = [accepted(usage(n), source=SOURCE) for n in range(1, 21)]
    new = [accepted(usage(100_000 + n, key_id="key-1"), source=other) for n in range(3)]
    free = [accepted(usage(50, model="mystery", cost_usd=0), priced=False)]
    any_store.insert(USAGE_EVENTS, packed(old + new + free))
    replace = msgspec.structs.replace
    paged = replace(INCIDENT, incident_id="inc-2", signals=[SIGNAL])
    closed = replace(paged, revision=3, status="resolved", severity="info")
    any_store.insert(
        INCIDENTS, [replace(INCIDENT, revision=1, severity="ticket"), INCIDENT, paged, closed]
    )
    benign = replace(VERDICT, incident_id="inc-2", verdict="benign", until=None)
    any_store.insert(VERDICTS, [VERDICT, benign])
    act = replace(ACTION, dry_run=False, requested_at=AT + seconds(30))
    failed = replace(RESULT, attempt=1, status="failed", at=AT + seconds(40))
    done = replace(RESULT, at=AT + seconds(90))
    any_store.insert(ACTIONS, [act])
    any_store.insert(ACTION_RESULTS, [failed, done])
    any_store.insert(DEAD_LETTERS, [DEAD])
    any_store.insert(SPEND_WINDOWS, [WINDOW, replace(WINDOW, granularity="1d")])
    return any_store


def needed(name: str) -> dict[str, str]:
    parameters = find_question(name).parameters
    return {p.name: REQUIRED[p.name] for p in parameters if p.default is None}


@pytest.mark.parametrize("name", NAMES)
def test_a_question_is_answered_with_nothing_in_the_store(store: Store, name: str) -> None:
    assert run_question(store, name, needed(name)).rows == []


def test_every_question_has_an_answer(filled: Store) -> None:
    now = AT_SECONDS + 100_000 + 3600
    for name in NAMES:
        answer = run_question(filled, name, needed(name), lambda: now)
        assert answer.rows, name
        assert len(set(answer.names)) == len(answer.names), name


def test_what_the_answers_say(filled: Store) -> None:
    def ask(name: str, **params: str) -> list[dict[str, object]]:
        answer = run_question(filled, name, params, lambda: AT_SECONDS + 100_000 + 3600)
        return answer.dicts()

    by_key = {row["key_id"]: row for row in ask("spend-by-key")}
    assert by_key["key-1"]["spend_usd"] == Decimal("300.027")
    assert by_key["key-1"]["addresses"] == 2
    assert ask("unpriced-models")[0]["model"] == "mystery"
    assert [(row["key_id"], row["asn"]) for row in ask("new-sources")] == [("key-1", 64501)]
    assert [row["incident_id"] for row in ask("incidents-open")] == ["inc-1"]
    pages = {row["incident_id"]: row["status"] for row in ask("pages")}
    assert pages == {"inc-1": "open", "inc-2": "resolved"}
    contained = ask("time-to-contain")
    assert [(row["incident_id"], row["page_to_contained_seconds"]) for row in contained] == [
        ("inc-1", 90.0)
    ]
    outcome = ask("actions-outcomes")[0]
    assert (outcome["outcome"], outcome["attempts"]) == ("verified", 3)
    review = ask("false-page-review")[0]
    assert (review["pages"], review["judged_false"], review["not_judged"]) == (2, 1, 1)
    timeline = ask("incident-timeline", incident="inc-1")
    assert [str(row["what"]).split(":")[0] for row in timeline[-3:]] == [
        "action",
        "attempt 1",
        "attempt 3",
    ]


def test_money_that_no_gateway_saw_is_beside_what_it_saw(filled: Store) -> None:
    replace = msgspec.structs.replace
    less, more = ({"unseen_usd": usd} for usd in (0.5, 14.7))
    past = [replace(SIGNAL, detector="off_gateway", evidence=each) for each in (less, more)]
    filled.insert(INCIDENTS, [replace(INCIDENT, revision=7, signals=[SIGNAL, *past])])

    def unseen(name: str) -> dict[object, object]:
        rows = run_question(filled, name).dicts()
        return {row["incident_id"]: row["unseen_usd"] for row in rows}

    assert unseen("pages") == {"inc-1": 14.7, "inc-2": 0.0}
    assert unseen("incidents-open") == {"inc-1": 14.7}
    assert unseen("time-to-contain") == {"inc-1": 14.7}
    timeline = run_question(filled, "incident-timeline", {"incident": "inc-1"}).dicts()
    said = [row["detail"] for row in timeline if str(row["what"]).startswith("revision")]
    assert said[-1] == "$12.35 so far, and $14.7 past the gateway"
    assert set(said[:-1]) == {"$12.35 so far"}


def test_parameters_are_bound_and_never_run(filled: Store) -> None:
    evil = "x' OR 1=1; DROP TABLE usage_events --"
    assert run_question(filled, "key-sources", {"key": evil}).rows == []
    assert run_question(filled, "key-sources", {"key": "key-1"}).rows


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("spend-by-kye", {}, "spend-by-key"),
        ("key-sources", {}, "needs 'key'"),
        ("incidents-open", {"since": "1h"}, "takes no 'since'"),
        ("spend-by-key", {"since": "yesterday-ish"}, "neither RFC 3339 nor an age"),
        ("spend-by-key", {"since": "99999999999999d"}, "neither RFC 3339 nor an age"),
        ("spend-by-key", {"limit": "-1"}, "no whole number"),
        ("spend-by-key", {"limit": "\u0663"}, "no whole number"),
        ("spend-by-key", {"limit": "4294967296"}, "limit: at most 4294967295"),
        ("spend-by-key", {"limit": "1" * 5000}, "limit: at most 4294967295"),
    ],
)
def test_a_question_asked_wrongly_is_told_how(
    store: Store, name: str, params: dict[str, str], said: str
) -> None:
    with pytest.raises(QuestionError, match=said):
        run_question(store, name, params)


def test_ages_and_times_become_utc() -> None:
    question = find_question("spend-by-key")
    bound = bind(question, {"since": "24h", "until": "2026-03-29T03:00:00+02:00"}, lambda: 86400.0)
    assert bound["since"] == "1970-01-01 00:00:00.000000"
    assert bound["until"] == "2026-03-29 01:00:00.000000"


@pytest.mark.parametrize("since", ["0001-01-01", "1900-01-01", "9999-12-31T23:59:59Z"])
def test_any_time_of_the_calendar_can_be_asked_for(filled: Store, since: str) -> None:
    found = run_question(filled, "spend-by-key", {"since": since, "limit": "4294967295"}).rows
    assert bool(found) is (since < "2000")


REFUSED = [
    "INSERT INTO usage_events (event_id) VALUES ('x')",
    "DROP TABLE usage_events",
    "TRUNCATE TABLE usage_events",
    "ALTER TABLE usage_events DELETE WHERE 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "SYSTEM STOP MERGES",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "USE default",
    "OPTIMIZE TABLE usage_events",
    "ATTACH TABLE usage_events",
    "SELECT 1; DROP TABLE usage_events",
    "SELECT 1 INTO OUTFILE '{path}'",
    "SELECT 1 into/**/outfile '{path}'",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 SETTINGS readonly = 0",
    "INSERT INTO FUNCTION file('{path}') SELECT 1",
    "SELECT file('/etc/hostname')",
    "SELECT `file`('/etc/hostname')",
    'SELECT "file" ("/etc/hostname")',
    "SELECT FILE /* a comment */ ('/etc/hostname')",
    "SELECT -- '\nfile('/etc/hostname')",
    "SELECT 1 AS a, 'it''s' AS b, file('/etc/hostname')",
    "SELECT 'a\\'', file('/etc/hostname') -- '",
    "SELECT $x$ ' $x$, file('/etc/hostname'), $x$ ' $x$",
    "SELECT # '\nfile('/etc/hostname')",
    "SELECT “file”('/etc/hostname')",
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', 'system.one')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'LineAsString')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM executable('x.sh', 'CSV', 'a Int8')",
    "SELECT * FROM python(os)",
    "SELECT * FROM eval('SELECT 1')",
    "WITH x AS (SELECT 1) SELECT * FROM x, file('/etc/hostname')",
    "EXPLAIN SELECT file('/etc/hostname')",
    "SELECT sleep(3)",
    "",
    ";",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_sql_that_does_more_than_read_is_refused(store: Store, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "out.csv"
    with pytest.raises(StoreRefused):
        run_sql(store, sql.replace("{path}", str(path)))
    assert not path.exists()
    assert store.query("SELECT count() FROM usage_events").rows == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO usage_events (event_id) VALUES ('x')",
        "DROP TABLE usage_events",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    ],
)
def test_the_engine_itself_refuses_writes_and_outside_sources(any_store: Store, sql: str) -> None:
    with pytest.raises(StoreOnlyReads, match="readonly"):
        any_store.read(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select count() from v_usage_events;",
        "WITH 2 AS x SELECT x -- a comment; DROP",
        "SELECT 'DROP TABLE x; file(' AS text",
        "SELECT format('{} {}', 'a', 'b'), url FROM (SELECT 'x' AS url)",
        "SELECT deltaSum(number), URLHash('a') FROM numbers(3)",
        "EXPLAIN SELECT 1",
        "SHOW TABLES",
        "DESCRIBE TABLE usage_events",
        "EXISTS TABLE usage_events",
    ],
)
def test_sql_that_reads_is_run(any_store: Store, sql: str) -> None:
    assert run_sql(any_store, sql).rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS x WHERE 0",
        "with 1 AS x SELECT x WHERE 0",
        "-- a comment\n/* and\nanother */ SELECT 1 AS x WHERE 0;",
    ],
)
def test_no_rows_have_columns(any_store: Store, sql: str) -> None:
    assert run_sql(any_store, sql).names == ("x",)


HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        "format",
        "generate_series",
        "generaterandom",
        "generateseries",
        "merge",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "sqlstandardvalues",
        "values",
        "view",
        "viewexplain",
        "viewifpermitted",
        "zeros",
        "zeros_mt",
    }
)


def test_every_table_function_of_the_engine_was_judged(store: Store) -> None:
    names = {row[0] for row in store.query("SELECT name FROM system.table_functions").rows}
    passed = {name for name in names if _passes(store, name)}
    assert {name.lower() for name in passed} <= HARMLESS_TABLE_FUNCTIONS


def _passes(store: Store, name: str) -> bool:
    try:
        run_sql(store, f"EXPLAIN AST SELECT * FROM {name}()")  # noqa: S608 - the engine's names
    except StoreRefused as refused:
        return "reaches beyond" not in str(refused)
    return True


def test_a_reading_store_can_still_write_for_itself(any_store: Store) -> None:
    run_sql(any_store, "SELECT 1")
    any_store.insert(USAGE_EVENTS, [accepted(usage(1))])
    assert run_sql(any_store, "SELECT count() FROM v_usage_events").rows == [(1,)]


EVIL_AGENT = "=cmd()\x1b[31m"


@pytest.fixture
def evil(any_store: Store) -> Store:
    event = UsageEvent(
        event_id="e", occurred_at=AT_SECONDS, key_id="k", user_agent=EVIL_AGENT, tags=["a", "=b"]
    )
    any_store.insert(USAGE_EVENTS, [accepted(event)])
    return any_store


SQL = """
SELECT user_agent, occurred_at, toDecimal64(-1.5, 9) AS d, CAST(NULL, 'Nullable(String)') AS n, tags
FROM v_usage_events
"""


def test_formulas_are_inert_in_csv(evil: Store) -> None:
    lines = RENDERERS["csv"](run_sql(evil, SQL)).decode().splitlines()
    assert lines[0] == "user_agent,occurred_at,d,n,tags"
    assert lines[1].startswith("'=cmd()")
    assert ',2026-03-29T01:30:00.123456Z,-1.5,,"[""a"",""=b""]"' in lines[1]


@pytest.mark.parametrize("beginning", [*"=+-@\t", *"\uff1d\uff0b\uff0d\uff20"])
def test_no_cell_of_csv_begins_a_formula(any_store: Store, beginning: str) -> None:
    rows = run_sql(any_store, f"SELECT '{beginning}cmd()' AS cell")
    assert RENDERERS["csv"](rows).decode() == f"cell\r\n'{beginning}cmd()\r\n"


def test_control_characters_are_inert_in_a_table(evil: Store) -> None:
    text = RENDERERS["table"](run_sql(evil, SQL)).decode()
    assert "\x1b" not in text
    assert "\\u001b[31m" in text
    assert "None" not in text
    assert text.endswith("(1 row)\n")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_control_characters_are_inert_in_a_terminal_alone(evil: Store, form: str) -> None:
    answer = RENDERERS[form](run_sql(evil, SQL))
    shown = for_terminal(answer)
    assert not set(shown) & (set(range(32)) - {10})
    assert b"\\u001b[31m" in shown
    if form == "csv":
        assert b"\x1b[31m" in answer
    else:
        assert msgspec.json.decode(shown) == msgspec.json.decode(answer)


def test_json_has_numbers_and_utc_times(evil: Store) -> None:
    rows = msgspec.json.decode(RENDERERS["json"](run_sql(evil, SQL)))
    assert rows == [
        {
            "user_agent": EVIL_AGENT,
            "occurred_at": "2026-03-29T01:30:00.123456Z",
            "d": -1.5,
            "n": None,
            "tags": ["a", "=b"],
        }
    ]


@pytest.mark.parametrize("form", RENDERERS)
def test_no_rows_can_be_rendered(store: Store, form: str) -> None:
    assert b"user_agent" in RENDERERS[form](run_sql(store, SQL)) or form == "json"


def test_parquet_comes_from_the_store(evil: Store) -> None:
    for data in (
        export_sql(evil, SQL, "Parquet"),
        export_question(evil, "spend-by-key", "Parquet", {"limit": "3"}),
    ):
        assert data[:4] == data[-4:] == b"PAR1"
    with pytest.raises(StoreRefused):
        export_sql(evil, "DROP TABLE usage_events", "Parquet")


def test_every_question_says_what_it_answers_and_takes() -> None:
    for question in list_questions():
        assert question.answers.endswith("."), question.name
        used = set(_placeholders(question.sql))
        assert used == {parameter.name for parameter in question.parameters}, question.name


def _placeholders(sql: str) -> Iterable[str]:
    return (part.split(":")[0] for part in sql.split("{")[1:])
