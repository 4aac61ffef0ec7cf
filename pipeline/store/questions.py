"""Named questions to the store, and other people's SQL that only reads.

A question is a file of SQL. The comment at its top says what it answers and what it takes, one
parameter a line: `-- name: default | meaning`, or `-- name | meaning` when it must be given.
"""

import difflib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from pipeline.store.client import Rows, Store
from pipeline.store.migrate import sql_folder
from pipeline.store.readonly import check_reads_only

_PARAMETER = re.compile(r"--\s+(\w+)(?::\s*(.*?))?\s+\|\s+(.+)")
_AGE = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Now = Callable[[], float]


class QuestionError(Exception):
    """A question that cannot be asked like this; the text is one line."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question takes."""

    name: str
    type: str
    """ClickHouse's type, such as `DateTime64(6, 'UTC')`."""
    default: str | None
    """None: it must be given."""
    meaning: str


@dataclass(frozen=True, slots=True)
class Question:
    """A query with a name."""

    name: str
    answers: str
    """One sentence."""
    parameters: tuple[Parameter, ...]
    sql: str


def list_questions() -> list[Question]:
    """Every question, by name."""
    return [_parse(path) for path in sorted((sql_folder() / "questions").glob("*.sql"))]


def find_question(name: str) -> Question:
    """The question of a name.

    Raises:
        QuestionError: there is none; the text says which were meant perhaps.
    """
    known = {question.name: question for question in list_questions()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3) or sorted(known)
    raise QuestionError(f"no question is called {name!r}; there is {', '.join(near)}")


def run_question(
    store: Store, name: str, params: Mapping[str, str] | None = None, now: Now = time.time
) -> Rows:
    """The answer to a question.

    Args:
        store: a migrated store.
        name: which question.
        params: its parameters as people write them; times as RFC 3339 or an age such as `24h`.
        now: Unix seconds.

    Raises:
        QuestionError: no such question, or the parameters do not fit it.
        StoreError: the store did not answer.
    """
    question = find_question(name)
    return store.read(question.sql, bind(question, params or {}, now))


def export_question(
    store: Store,
    name: str,
    form: str,
    params: Mapping[str, str] | None = None,
    now: Now = time.time,
) -> bytes:
    """What `run_question` answers, in one of ClickHouse's formats, such as Parquet."""
    question = find_question(name)
    return store.export(question.sql, form, bind(question, params or {}, now))


def run_sql(store: Store, sql: str) -> Rows:
    """The answer to a statement that only reads the store.

    Raises:
        StoreOnlyReads: it does more than that.
        StoreRefused: it is wrong.
        StoreUnavailable: the store did not answer.
    """
    return store.read(check_reads_only(sql))


def export_sql(store: Store, sql: str, form: str) -> bytes:
    """What `run_sql` answers, in one of ClickHouse's formats, such as Parquet."""
    return store.export(check_reads_only(sql), form)


def bind(question: Question, params: Mapping[str, str], now: Now = time.time) -> dict[str, str]:
    """The values that the store binds, with defaults filled in.

    Raises:
        QuestionError: one is missing, unknown, or not of its type.
    """
    names = {parameter.name for parameter in question.parameters}
    unknown = sorted(set(params) - names)
    if unknown:
        takes = ", ".join(sorted(names)) or "none"
        raise QuestionError(f"{question.name} takes no {unknown[0]!r}; its parameters: {takes}")
    bound = {}
    for parameter in question.parameters:
        value = params.get(parameter.name, parameter.default)
        if value is None:
            raise QuestionError(f"{question.name} needs {parameter.name!r}: {parameter.meaning}")
        bound[parameter.name] = _value(parameter, value, now)
    return bound


def _value(parameter: Parameter, value: str, now: Now) -> str:
    if parameter.type.startswith("DateTime"):
        return _time(parameter.name, value, now)
    if parameter.type.startswith("UInt"):
        return _number(parameter, value)
    return value


def _number(parameter: Parameter, value: str) -> str:
    if not (value.isascii() and value.isdecimal()):
        raise QuestionError(f"{parameter.name}: {value!r} is no whole number")
    # The engine would take the rest of a larger one.
    most = (1 << int(parameter.type.removeprefix("UInt"))) - 1
    if len(value.lstrip("0")) > len(str(most)) or int(value) > most:
        raise QuestionError(f"{parameter.name}: at most {most}")
    return value


def _time(name: str, value: str, now: Now) -> str:
    age = _AGE.fullmatch(value.strip())
    try:
        if age:
            ago = timedelta(**{_UNITS[age.group(2)]: int(age.group(1))})
            at = datetime.fromtimestamp(now(), UTC) - ago
        else:
            at = datetime.fromisoformat(value)
            at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QuestionError(
            f"{name}: {value!r} is neither RFC 3339 nor an age such as 24h"
        ) from None
    # strftime leaves the zeros of early years away.
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


def _parse(path: Path) -> Question:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    header = [line for line in lines if line.startswith("--")]
    parameters = []
    for line in header[1:]:
        match = _PARAMETER.fullmatch(line.rstrip())
        if match is None:
            raise QuestionError(f"{path.name}: the header line {line!r} names no parameter")
        name, default, meaning = match.groups()
        parameters.append(Parameter(name, _type_of(text, name), default, meaning))
    sql = "\n".join(lines[len(header) :]).strip()
    return Question(path.stem, header[0].removeprefix("--").strip(), tuple(parameters), sql)


def _type_of(sql: str, name: str) -> str:
    match = re.search(rf"\{{{name}:([^}}]+)\}}", sql)
    if match is None:
        raise QuestionError(f"the parameter {name!r} is not used")
    return match.group(1)
