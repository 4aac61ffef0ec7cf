"""What a click asks for, and why it does nothing when it may not. Pure.

Slack's signature says that a request comes from Slack, not that its sender may act: that is
decided here, by user and workspace. Of a button's value only the incident's id is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import msgspec

from pipeline.config import Slack
from pipeline.notify.offers import SNOOZE_SECONDS, ButtonAction, declined
from pipeline.notify.page import Page
from pipeline.notify.signature import interaction
from schemas.verdict import Judgement, Verdict

BUTTONS: tuple[ButtonAction, ...] = get_args(ButtonAction)
INSTANT_SECONDS = 0.001
"""What makes a time later than another in every record that holds it."""
_JUDGEMENTS: dict[ButtonAction, Judgement] = {
    "revoke": "leak",
    "acknowledge": "acknowledge",
    "snooze": "snooze",
    "not_a_leak": "benign",
}


@dataclass(frozen=True, slots=True)
class Click:
    """A press of a button, by whom and where."""

    button: ButtonAction
    incident_id: str
    user: str
    name: str
    """What Slack calls the user; empty when it does not say."""
    team: str
    channel: str
    click_id: str
    """Unique per press."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a click does nothing."""

    reason: str
    answered: bool = True
    """Whether the person is told; a repetition gets no second answer."""


@dataclass(frozen=True, slots=True)
class Powers:
    """Who may do what with one incident."""

    slack: Slack
    approvers: Sequence[str] | None
    """Who may revoke, of the allowed users; None: all of them."""
    not_revocable: str | None
    """Why the key cannot be revoked from here."""


def read_click(value: bytes) -> Click | None:
    """The first known button press in an interaction's JSON; None when it holds none."""
    try:
        payload = interaction(msgspec.json.decode(value))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    for action in payload["actions"]:
        if action.get("action_id") in BUTTONS and action.get("value") and action.get("action_ts"):
            return _click(payload, action)
    return None


def _click(payload: dict[str, Any], action: dict[str, str]) -> Click:
    user = payload["user"].get("id", "")
    return Click(
        button=cast("ButtonAction", action["action_id"]),
        incident_id=action["value"],
        user=user,
        name=payload["user"].get("name") or payload["user"].get("username", ""),
        team=payload["team"].get("id") or payload["user"].get("team_id", ""),
        channel=payload["channel"].get("id") or payload["container"].get("channel_id", ""),
        click_id=f"{user}/{action['action_ts']}",
    )


def judge_click(click: Click, page: Page | None, powers: Powers) -> Refusal | None:
    """Why a click does nothing, or None: it acts."""
    reason = _person(click, powers.slack)
    if reason is not None:
        return Refusal(reason)
    if page is None:
        return Refusal("This incident is no longer known.")
    if click.click_id in page.clicks:
        return Refusal("This click has acted already.", answered=False)
    reason = _authority(click, powers) if click.button == "revoke" else None
    reason = reason or declined(click.button, page)
    return None if reason is None else Refusal(reason)


def said_by(click: Click, page: Page, now: float) -> Verdict:
    """What a click says of an incident.

    It is the last word, however far the clock was ahead when something was said or planned before.
    """
    now = max([now, *(taken.requested_at for taken in page.actions)])
    return Verdict(
        incident_id=click.incident_id,
        key_id=page.incident.key_id,
        verdict=_JUDGEMENTS[click.button],
        until=now + SNOOZE_SECONDS if click.button == "snooze" else None,
        by=f"slack:{click.user}",
        at=max(now, page.heard_at + INSTANT_SECONDS),
    )


def _person(click: Click, slack: Slack) -> str | None:
    if slack.team_id is not None and click.team != slack.team_id:
        return "Clicks from this workspace are not accepted."
    if click.user not in slack.allowed_users:
        return "You are not on the list of people who may press these buttons."
    return None


def _authority(click: Click, powers: Powers) -> str | None:
    if powers.approvers is not None and click.user not in powers.approvers:
        return "The policy lets only its approvers revoke this key."
    if powers.not_revocable is not None:
        return f"This key cannot be revoked from here: {powers.not_revocable}."
    return None
