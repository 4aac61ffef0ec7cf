"""The parts of a message: Block Kit elements without formatting, each within Slack's limits."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.notify.offers import SNOOZE_SECONDS, ButtonAction

LABELS: Final[Mapping[ButtonAction, str]] = {
    "revoke": "Revoke",
    "acknowledge": "Acknowledge",
    "snooze": f"Snooze {SNOOZE_SECONDS / 3600:.0f} h",
    "not_a_leak": "Not a leak",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A message as Slack takes it."""

    text: str
    """For notifications, and for where blocks do not show."""
    blocks: list[dict[str, Any]] | None
    attachments: list[dict[str, Any]] | None
    event_type: str
    """With the incident's id in the message's metadata, by which it is found again."""
    incident_id: str
    occasion: str = ""
    """Of an alarm: a reply that the whole channel is shown."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The message's metadata."""
        payload = {"incident_id": self.incident_id}
        if self.occasion:
            payload["occasion"] = self.occasion
        return {"event_type": self.event_type, "event_payload": payload}

    @property
    def digest(self) -> str:
        """Equal for equal messages."""
        parts = json.dumps([self.text, self.blocks, self.attachments], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def plain(self) -> "Card":
        """The message in words alone, for when Slack refuses the rest."""
        return replace(self, blocks=None, attachments=None)


def header(text: str) -> dict[str, Any]:
    """A title."""
    return {"type": "header", "text": plain(text, 150)}


def section(text: str) -> dict[str, Any]:
    """A paragraph."""
    return {"type": "section", "text": plain(text, 1900)}


def plain(text: str, length_max: int) -> dict[str, Any]:
    """A text object without formatting. The text has been made inert before; this is the limit."""
    return {"type": "plain_text", "text": text[:length_max], "emoji": False}


def actions(elements: list[dict[str, Any]], block_id: str = "leakline") -> dict[str, Any]:
    """A row of buttons, of different kinds."""
    return {"type": "actions", "block_id": block_id, "elements": elements}


def button(name: ButtonAction, label: str, value: str) -> dict[str, Any]:
    """A button; its value is an incident's id."""
    return {"type": "button", "action_id": name, "text": plain(label, 75), "value": value}


def revoke_button(label: str, value: str, key_name: str) -> dict[str, Any]:
    """A button that revokes a key, after a question; its name is inert."""
    confirm = {
        "title": plain("Revoke this key?", 100),
        "text": plain(f"Every request with {key_name} will fail from then on.", 300),
        "confirm": plain("Revoke", 30),
        "deny": plain("Cancel", 30),
        "style": "danger",
    }
    return button("revoke", label, value) | {"style": "danger", "confirm": confirm}
