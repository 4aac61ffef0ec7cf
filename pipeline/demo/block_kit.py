"""What Slack refuses in a message, by the documented limits of Block Kit."""

from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

BLOCKS_MAX = 50
FIELD_LENGTH_MAX = 2000
SECTION_LENGTH_MAX = 3000
HEADER_LENGTH_MAX = 150
TEXT_LENGTH_MAX = 40_000
BLOCKS_LENGTH_MAX = 13_200
_TYPES = {"actions", "context", "divider", "header", "section"}


def refuses(arguments: dict[str, Any]) -> str | None:
    """Slack's error code for the message in a call, or None."""
    blocks = arguments.get("blocks") or []
    attachments = arguments.get("attachments") or []
    if not arguments.get("text") and not blocks and not attachments:
        return "no_text"
    if len(arguments.get("text") or "") > TEXT_LENGTH_MAX:
        return "msg_too_long"
    listed = [blocks, *(attachment.get("blocks") or [] for attachment in attachments)]
    if any(not _valid(each) for each in listed):
        return "invalid_blocks"
    if sum(len(text) for each in listed for text in texts(each)) > BLOCKS_LENGTH_MAX:
        return "msg_blocks_too_long"
    return None


def texts(node: object) -> Iterator[str]:
    """Every text that somebody reads, anywhere in blocks."""
    if isinstance(node, dict):
        text = node.get("text")
        if isinstance(text, str):
            yield text
        for child in node.values():
            yield from texts(child)
    elif isinstance(node, list):
        for child in node:
            yield from texts(child)


def _valid(blocks: object) -> bool:
    return (
        isinstance(blocks, list)
        and len(blocks) <= BLOCKS_MAX
        and all(isinstance(block, dict) and _valid_block(block) for block in blocks)
    )


def _valid_block(block: dict[str, Any]) -> bool:
    """A block of a known type within its limits; the SDK's models check the rest."""
    if block.get("type") not in _TYPES or any(not text for text in texts(block)):
        return False
    match block["type"]:
        case "section":
            within = _section(block)
        case "header":
            within = len(block["text"]["text"]) <= HEADER_LENGTH_MAX
        case "actions":
            within = 1 <= len(block["elements"]) <= 25 and all(map(_button, block["elements"]))
        case "context":
            within = 1 <= len(block["elements"]) <= 10
        case _:
            within = True
    return within and _sdk_agrees(block)


def _section(block: dict[str, Any]) -> bool:
    fields = block.get("fields") or []
    text = block.get("text") or {"text": ""}
    return (
        bool(fields or block.get("text"))
        and len(text["text"]) <= SECTION_LENGTH_MAX
        and len(fields) <= 10
        and all(len(field["text"]) <= FIELD_LENGTH_MAX for field in fields)
    )


def _button(element: dict[str, Any]) -> bool:
    confirm = element.get("confirm")
    return (
        len(element["text"]["text"]) <= 75
        and len(element.get("value", "")) <= 2000
        and len(element["action_id"]) <= 255
        and (confirm is None or _confirm(confirm))
    )


def _confirm(confirm: dict[str, Any]) -> bool:
    limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    return all(1 <= len(confirm[name]["text"]) <= most for name, most in limits.items())


def _sdk_agrees(block: dict[str, Any]) -> bool:
    try:
        parsed = Block.parse(block)
        if parsed is not None:
            parsed.validate_json()
    except SlackObjectFormationError:
        return False
    return parsed is not None
