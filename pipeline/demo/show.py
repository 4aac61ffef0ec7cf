"""What the demo puts on the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detectors.words import cents
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.store import Store
from pipeline.store.output import as_table
from pipeline.store.questions import run_sql
from schemas.action import ActionResult
from schemas.incident import Incident

SOURCES_SQL = (
    "SELECT country, network, source_kind, count() AS requests, sum(cost_usd) AS usd, "
    "min(occurred_at) AS first_seen FROM v_usage_events WHERE key_id = '{key_id}' "
    "GROUP BY ALL ORDER BY first_seen"
)
_STYLES = {"page": "bold red", "ticket": "yellow", "info": "dim"}


def heading(console: Console, text: str) -> None:
    """The title of a step."""
    console.print()
    console.print(Text(text, style="bold"))


def line(console: Console, text: str, style: str = "") -> None:
    """One line of a step, as it is: what comes from outside is no markup."""
    console.print(Text("  " + text, style=style), soft_wrap=True)


def revision(console: Console, incident: Incident) -> None:
    """One revision of an incident."""
    line(
        console,
        f"{incident.detected:%H:%M:%S}  {incident.severity.upper():6}  {incident.key_id}  "
        f"{incident.cause}, risk {incident.risk:.2f}, {cents(incident.spend_usd)} spent where "
        f"{cents(incident.baseline_usd)} is usual",
        _STYLES[incident.severity],
    )


def outcome(console: Console, result: ActionResult) -> None:
    """What came of an action."""
    http = f" (HTTP {result.http_status})" if result.http_status else ""
    detail = f": {result.detail}" if result.detail else ""
    line(console, f"{result.kind} of {result.key_id}: {result.status}{http}{detail}", "green")


def sources(console: Console, store: Store, folder: Path, key_id: str) -> None:
    """Where a key was used from, as the store has it."""
    sql = SOURCES_SQL.format(key_id=key_id)
    line(console, f'$ leakline query --store {folder} --sql "{sql}"')
    for text in as_table(run_sql(store, sql)).decode().splitlines():
        line(console, text)


def slack_message(console: Console, message: SlackMessage, channel: str) -> None:
    """A message as Slack shows it, in text."""
    attachments = message.body.get("attachments") or []
    attached = [block for each in attachments for block in each.get("blocks") or []]
    blocks = [*(message.body.get("blocks") or []), *attached]
    console.print(
        Panel(
            Group(*(part for block in blocks for part in _block(block))),
            title=f"Slack #{channel}",
            title_align="left",
            box=box.ROUNDED,
            width=min(console.width, 100),
        )
    )


def _block(block: dict[str, Any]) -> Iterator[RenderableType]:
    match block["type"]:
        case "header":
            yield Text(block["text"]["text"], style="bold")
        case "section":
            if block.get("fields"):
                yield _fields(block["fields"])
            if block.get("text"):
                yield Text(block["text"]["text"])
        case "context":
            yield Text(" ".join(each["text"] for each in block["elements"]), style="dim")
        case "actions":
            labels = (f"[ {each['text']['text']} ]" for each in block["elements"])
            yield Text("  ".join(labels), style="bold cyan")


def _fields(fields: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 3), expand=True)
    for place in range(0, len(fields), 2):
        table.add_row(*(Text(each["text"]) for each in fields[place : place + 2]))
    return table
