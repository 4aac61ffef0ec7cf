"""The console's pages: what is wrong with which key, and what was done about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from detectors.words import money
from pipeline.serve.chart import Points, spend_chart
from pipeline.serve.html import Html, join, tag
from pipeline.serve.style import STYLE
from schemas.action import Action, ActionResult
from schemas.fields import utc
from schemas.incident import Incident, Signal
from schemas.verdict import Verdict

REFRESH_SECONDS: Final = 30
_EVIDENCE_LENGTH_MAX: Final = 2000

_SEVERITY: Final = {"page": "Page", "ticket": "Ticket", "info": "Info"}
_STATUS: Final = {"open": "Open", "resolved": "Resolved", "suppressed": "Suppressed"}
_CAUSE: Final = {
    "leaked": "Leaked key",
    "shared": "Shared key",
    "exposed": "Exposed to browsers or apps",
    "runaway": "Runaway client",
    "off_gateway": "Use around the gateway",
    "revoked_use": "Use of a revoked key",
    "budget": "Budget",
    "hygiene": "Hygiene",
    "growth": "Growth",
}

Done = Sequence[tuple[Action, list[ActionResult]]]


def incident_list(incidents: Sequence[Incident]) -> Html:
    """The page with every incident, the newest first."""
    if not incidents:
        body = tag("p", "No incidents. Keys that behave as usual are not listed.", class_="quiet")
    else:
        names = ("Severity", "Cause", "Key", "Since (UTC)", "Spend", "Per hour", "Status")
        rows = [_row(incident) for incident in incidents]
        body = _table("Incidents, the newest first", names, rows, {4, 5})
    return _page("Incidents", body, refresh=True)


def incident_detail(
    incident: Incident, spend: Points, verdicts: Sequence[Verdict], actions: Done
) -> Html:
    """The page of one incident."""
    return _page(
        f"{_CAUSE[incident.cause]}: {_short(incident.key_id)}",
        join(
            _summary(incident),
            _section("Why", _signals(incident.signals)),
            _section(
                "Spend per minute (UTC)",
                spend_chart(spend, incident.opened.timestamp(), "Spend of the key per minute"),
            ),
            _section("Verdicts", _verdicts(verdicts)),
            _section("Actions", _actions(actions)),
        ),
    )


def message(title: str, text: str) -> Html:
    """A page that says one thing."""
    return _page(title, tag("p", text))


def _page(title: str, body: Html, *, refresh: bool = False) -> Html:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=REFRESH_SECONDS) if refresh else None,
        tag("title", f"{title} - leakline"),
        tag("style", Html(STYLE)),
    )
    top = tag("header", tag("strong", "leakline"), tag("nav", tag("a", "Incidents", href="/")))
    skip = tag("a", "Skip to the content", href="#content", class_="skip")
    main = tag("main", tag("h1", title), body, id="content")
    return join(Html("<!doctype html>"), tag("html", head, tag("body", skip, top, main), lang="en"))


def _row(incident: Incident) -> list[Html | str]:
    unseen = incident.unseen_usd
    past = "" if unseen is None else f" and {money(unseen)} past the gateway"
    return [
        _badge(incident.severity, _SEVERITY),
        tag("a", _CAUSE[incident.cause], href=f"/incidents/{_path(incident.incident_id)}"),
        tag("span", _short(incident.key_id), class_="id"),
        _time(incident.opened),
        money(incident.spend_usd) + past,
        money(incident.burn_usd_per_hour),
        _badge(incident.status, _STATUS),
    ]


def _summary(incident: Incident) -> Html:
    unseen = incident.unseen_usd
    past = [] if unseen is None else [("Went past the gateway", money(unseen))]
    figures: list[tuple[str, Html | str]] = [
        ("Severity", _badge(incident.severity, _SEVERITY)),
        ("Status", _badge(incident.status, _STATUS)),
        ("Since (UTC)", _time(incident.opened)),
        ("Spend since", money(incident.spend_usd)),
        *past,
        ("Expected", money(incident.baseline_usd)),
        ("Per hour now", money(incident.burn_usd_per_hour)),
        ("Risk", f"{incident.risk:.0%}"),
    ]
    if incident.runner_up is not None:
        figures.append(("Second best explanation", _CAUSE[incident.runner_up]))
    about = [incident.key_id, incident.team, incident.environment]
    about.append("still learning this key" if incident.learning else None)
    return join(
        tag("p", " · ".join(part for part in about if part), class_="id quiet"),
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", value)) for name, value in figures),
            class_="figures",
        ),
        tag(
            "p",
            tag(
                "span",
                f"Incident {incident.incident_id}, revision {incident.revision}",
                class_="id",
            ),
            class_="quiet",
        ),
    )


def _signals(signals: Sequence[Signal]) -> Html:
    names = ("Detector", "What it saw", "Window (UTC)", "Score", "Chance")
    rows: list[list[Html | str]] = [
        [
            signal.detector,
            join(signal.summary, _evidence(signal)),
            join(_time(utc(signal.window_start)), " to ", _time(utc(signal.window_end))),
            f"{signal.score:.1f}",
            f"{signal.p_value:.2g}",
        ]
        for signal in signals
    ]
    return _table("Signals", names, rows, {3, 4})


def _evidence(signal: Signal) -> Html | None:
    if not signal.evidence:
        return None
    text = msgspec.json.encode(signal.evidence, order="sorted").decode()
    shown = tag("span", text[:_EVIDENCE_LENGTH_MAX], class_="id quiet")
    return tag("details", tag("summary", "Evidence"), shown)


def _verdicts(verdicts: Sequence[Verdict]) -> Html:
    rows: list[list[Html | str]] = [
        [_time(utc(item.at)), item.verdict, item.by, item.note or ""] for item in verdicts
    ]
    return _table("Verdicts", ("When (UTC)", "Verdict", "By", "Note"), rows)


def _actions(actions: Done) -> Html:
    rows: list[list[Html | str]] = [
        [
            _time(utc(action.requested_at)),
            f"{action.kind} (dry run)" if action.dry_run else action.kind,
            action.gateway or "",
            action.requested_by,
            ", ".join(_outcome(result) for result in results) or "waiting",
        ]
        for action, results in actions
    ]
    return _table("Actions", ("When (UTC)", "What", "Gateway", "By", "Outcome"), rows)


def _outcome(result: ActionResult) -> str:
    detail = f": {result.detail}" if result.detail else ""
    return f"{result.status} {utc(result.at):%H:%M:%S}{detail}"


def _section(title: str, body: Html) -> Html:
    return tag("section", tag("h2", title), body)


def _table(
    caption: str,
    names: Sequence[str],
    rows: Sequence[Sequence[Html | str]],
    numbers: set[int] | None = None,
) -> Html:
    """A table; the columns in `numbers` are aligned to the right."""
    if not rows:
        return tag("p", "None.", class_="quiet")
    right = dict.fromkeys(numbers or (), "number")
    head = [tag("th", name, scope="col", class_=right.get(at)) for at, name in enumerate(names)]
    body = [
        tag("tr", *(tag("td", cell, class_=right.get(at)) for at, cell in enumerate(row)))
        for row in rows
    ]
    table = tag(
        "table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body)
    )
    return tag("div", table, class_="scroll")


def _badge(value: str, names: dict[str, str]) -> Html:
    return tag("span", names[value], class_=f"badge {value}")


def _time(time: datetime) -> Html:
    return tag("time", f"{time:%Y-%m-%d %H:%M}", datetime=f"{time:%Y-%m-%dT%H:%M:%SZ}")


def _short(key_id: str) -> str:
    """A key's id for a heading: hashes are told apart by their first characters."""
    return key_id if len(key_id) <= 32 else f"{key_id[:18]}…{key_id[-6:]}"


def _path(identifier: str) -> str:
    return quote(identifier, safe="")
