"""`leakline query`: named questions, or read-only SQL."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.options import ConfigFile, StoreDir, load_config
from pipeline.cli.problems import UsageError

if TYPE_CHECKING:
    from pipeline.store import Store


def query(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A named question.")] = None,
    *,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the question."),
    ] = None,
    sql: Annotated[str | None, typer.Option(help="A statement that only reads.")] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the questions and what they take.")
    ] = False,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="How to print.")
    ] = "table",
    store: StoreDir = None,
    config: ConfigFile = None,
) -> None:
    """Ask the store a named question, or anything in SQL that only reads.

    Examples:

    - `leakline query --list`
    - `leakline query top-keys --store ./leakline-data -p limit=5`
    - `leakline query incident-timeline -p incident=inc-1 --format json`
    - `leakline query --sql 'SELECT count() FROM v_usage_events' --store ./leakline-data`
    """
    if listing:
        _list()
        return
    if (name is None) == (sql is None):
        raise UsageError("either NAME or --sql says what to ask (--list shows the names)")
    if sql is not None and param:
        raise UsageError("--param belongs to a named question")
    from pipeline.store import Store
    from pipeline.store.questions import find_question

    if name is not None:
        find_question(name)
    params = _parsed(param or [])
    with Store.open_existing(load_config(config, store).store) as opened:
        answer = _answer(opened, name, params, sql, form)
    if sys.stdout.isatty():
        from pipeline.store.output import for_terminal

        answer = for_terminal(answer)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def _answer(
    store: "Store", name: str | None, params: dict[str, str], sql: str | None, form: str
) -> bytes:
    from pipeline.store import questions
    from pipeline.store.output import RENDERERS

    if form == "parquet":
        if name is not None:
            return questions.export_question(store, name, "Parquet", params)
        return questions.export_sql(store, sql or "", "Parquet")
    rows = (
        questions.run_sql(store, sql or "")
        if name is None
        else questions.run_question(store, name, params)
    )
    return RENDERERS[form](rows)


def _parsed(params: list[str]) -> dict[str, str]:
    wrong = [each for each in params if "=" not in each]
    if wrong:
        raise UsageError(f"--param {wrong[0]}: a parameter is NAME=VALUE")
    return dict(each.split("=", 1) for each in params)


def _list() -> None:
    from pipeline.store.questions import list_questions

    for question in list_questions():
        typer.echo(f"{question.name}: {question.answers}")
        for each in question.parameters:
            default = "required" if each.default is None else f"default {each.default}"
            typer.echo(f"    -p {each.name}=…  {each.meaning} ({default})")
