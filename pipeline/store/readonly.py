"""Which SQL of other people is run: one statement that only reads, and only the store.

The engine itself is told to read only, and refuses writes and sources outside the store. What it
would still allow, such as writing an answer to a file or reading one with a function, is refused
here.
"""

import re
from collections.abc import Iterator

from pipeline.store.errors import StoreOnlyReads

_TOKEN = re.compile(
    r"""
    (?P<skip> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text> '(?:[^'\\]|\\.)*' )
  | (?P<quoted> `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<mark> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_BEGINNINGS = frozenset({"select", "with", "explain", "show", "describe", "desc", "exists"})
_WORDS = frozenset({"into", "outfile", "infile"})
# Other ways to quote, which only hide something here: heredocs, hash comments, loose quotes.
_MARKS = frozenset("$#'\"`;\u2018\u2019\u201c\u201d")
_REACHING = re.compile(
    r"(?:azure|cluster|deltalake|executable|file|hdfs|hive|hudi|iceberg|mergetree|paimon"
    r"|prometheus|remote|s3|sleep|ai|llm|catboost)\w*"
    r"|arrow(?:stream|flight)|bigquery|cosn|dictionary|eval|fuzz(?:json|query)|gcs|input|jdbc"
    r"|loop|mongodb|mysql|odbc|oss|postgresql|python|redis|showcertificate|sqlite|url|urlcluster"
    r"|timeseries(?:data|metrics|metricfamilies|samples|selector|tags)|ytsaurus",
    re.IGNORECASE,
)
"""Functions and table functions that reach beyond the store, wait, or run code."""


def check_reads_only(sql: str) -> str:
    """The statement, without a semicolon at its end.

    Raises:
        StoreOnlyReads: it is more than one statement, or would do more than read the store.
    """
    statement = sql.strip().rstrip(";").rstrip()
    tokens = list(_tokens(statement))
    if not tokens or tokens[0][1].lower() not in _BEGINNINGS:
        raise StoreOnlyReads("only SELECT, WITH, EXPLAIN, SHOW, DESCRIBE and EXISTS are run")
    for place, (kind, token) in enumerate(tokens):
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        _check_token(kind, token, following)
    return statement


def _tokens(statement: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(statement):
        kind = match.lastgroup or "mark"
        if kind != "skip":
            yield kind, match.group()


def _check_token(kind: str, token: str, following: str) -> None:
    if kind == "mark" and token in _MARKS:
        raise StoreOnlyReads(f"one plain statement is run; {token} is not part of one")
    if kind == "word" and token.lower() in _WORDS:
        raise StoreOnlyReads(f"{token.upper()} is refused: answers come back, and go nowhere else")
    if kind == "word" and token.lower() == "format" and following != "(":
        raise StoreOnlyReads("FORMAT is refused: choose the format with --format")
    name = token[1:-1] if kind == "quoted" else token
    if kind in {"word", "quoted"} and following == "(" and _reaches_out(name):
        raise StoreOnlyReads(f"{name}() is refused: it reaches beyond the store")


def _reaches_out(name: str) -> bool:
    return _REACHING.fullmatch(name) is not None
