"""The parts of the docs that are made from the source: `python -m tests.architecture.reference`.

Each stands between two comments in a page of docs/; a test compares it with what the source says.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel
from typer.main import get_command

from detectors.discovery import all_detectors
from pipeline import config, metrics
from pipeline.cli.app import app
from pipeline.counts import Metric
from pipeline.roles import ROLES
from pipeline.workers.connection import group_name
from pipeline.workers.rights import SERVER
from schemas.key_record import KeyRecord
from schemas.topics import TOPICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command and what it does, in one sentence."""
    found: list[tuple[str, str]] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
        inner = getattr(command, "commands", None) or {"": command}
        found += [(f"{name} {each}".strip(), one.help or "") for each, one in inner.items()]
    return [(name, text.strip().split("\n\n")[0].replace("\n", " ")) for name, text in found]


def settings() -> Iterator[tuple[str, str, str, str]]:
    """Every key of the configuration: name, type, default, meaning."""
    models = dict(inspect.getmembers(config, inspect.isclass))
    for node in ast.parse(inspect.getsource(config)).body:
        if isinstance(node, ast.ClassDef) and issubclass(models[node.name], BaseModel):
            yield from _fields(node)


def registry() -> Iterator[tuple[str, str, str, str]]:
    """Every field of a registry entry: name, type, default, meaning."""
    for node in ast.parse(inspect.getsource(KeyRecord)).body:
        if isinstance(node, ast.ClassDef):
            yield from _fields(node)


_SECTIONS = {"Gateway": "response.gateways[].", "Config": "", "Section": "", "KeyRecord": ""}


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    prefix = _SECTIONS.get(node.name, f"{node.name.lower()}.")
    for each, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        kind = ast.unparse(each.annotation)
        if kind in vars(config) and node.name == "Config":
            section = vars(config)[kind]
            if inspect.isclass(section) and issubclass(section, BaseModel):
                continue  # its own keys are listed
        meaning = _string(after)
        default = ast.unparse(each.value) if each.value else "required"
        yield prefix + each.target.id, _plain_type(kind), _plain_default(default), meaning


def _string(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _plain_type(kind: str) -> str:
    names = {
        "Seconds": "seconds",
        "Identifier": "text",
        "Dollars": "US dollars",
        "Time": "time",
        "SecretStr": "secret",
        "Path": "path",
        "str": "text",
        "Brokers": "text",
        "StoreHost": "text",
        "NetworkText": "text",
        "ApiUrl": "text",
        "ApiKey": "secret",
    }
    inner = re.sub(r"Annotated\[(.+?), Field\((.*)\)\]", r"\1", kind)
    literal = re.fullmatch(r"Literal\[(.+?)\](.*)", inner)
    if literal:
        inner = literal[1].replace("'", "").replace(", ", " or ") + literal[2]
    inner = inner.replace(" | None", "")
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), inner)


def _plain_default(default: str) -> str:
    path = re.fullmatch(r"(?:Path|SecretStr)\('(.*)'\)", default)
    return path[1] or "-" if path else default.replace("'", '"').replace("None", "-")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "".join(f"| {line} |\n" for line in cells)


def _detectors() -> str:
    rows = (
        (f"`{d.name}`", d.question, d.catches, d.misses, d.advice, ", ".join(sorted(d.causes)))
        for d in all_detectors()
    )
    head = ("detector", "asks", "catches", "misses", "what to do", "speaks for")
    return _table(head, rows)


def _metrics() -> str:
    found = [each for each in vars(metrics).values() if isinstance(each, Metric)]
    rows = ((f"`{m.name}`", m.kind, m.meaning, m.action) for m in found)
    return _table(("metric", "kind", "meaning", "what to do"), rows)


def _topics() -> str:
    rows = (
        (
            f"`{t.name}`",
            t.description,
            ", ".join(t.written_by),
            ", ".join(t.read_by),
            t.key or "-",
            "configured" if t.partitions is None else str(t.partitions),
            "compacted" if t.compacted else f"{t.retention_ms // 86_400_000} days",
        )
        for t in TOPICS
    )
    head = ("topic", "holds", "written by", "read by", "key", "partitions", "kept")
    return _table(head, rows)


def _rights() -> str:
    players = [(role, {role}) for role in ROLES] + [("`leakline serve`", set(SERVER))]
    rows = []
    for name, called in players:
        reads = ", ".join(f"`{t.name}`" for t in TOPICS if not called.isdisjoint(t.read_by))
        writes = ", ".join(f"`{t.name}`" for t in TOPICS if not called.isdisjoint(t.written_by))
        group = f"`{group_name(config.Kafka(), name)}`" if name in ROLES else "-"
        remembers = any(t.name == f"{name}-state" for t in TOPICS)
        transactions = f"`{group.strip('`')}-*`" if remembers else "-"
        rows.append((name, reads or "-", writes or "-", group, transactions))
    head = (
        "who",
        "READ of topics",
        "WRITE of topics",
        "READ of a group",
        "WRITE of transactional ids",
    )
    return _table(head, iter(rows))


def _settings() -> str:
    return _described("key", settings())


def _registry() -> str:
    return _described("field", registry())


def _described(what: str, fields: Iterator[tuple[str, str, str, str]]) -> str:
    rows = ((f"`{n}`", kind, f"`{default}`", text) for n, kind, default, text in fields)
    return _table((what, "type", "default", "meaning"), rows)


def _commands() -> str:
    return _table(("command", "does"), ((f"`leakline {n}`", text) for n, text in commands()))


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "detectors": _detectors,
    "metrics": _metrics,
    "registry": _registry,
    "rights": _rights,
    "settings": _settings,
    "topics": _topics,
}


def regenerated(text: str) -> str:
    """A page with its generated parts as the source has them now."""
    return _BLOCK.sub(lambda match: match[1] + BLOCKS[match[2]]() + match[3], text)


if __name__ == "__main__":
    for page in DOCS.glob("*.md"):
        page.write_text(regenerated(page.read_text()))
