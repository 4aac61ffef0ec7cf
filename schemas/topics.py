"""The topics, as data: who writes them, who reads them, how they are kept."""

from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from schemas.action import Action, ActionResult
from schemas.dead_letter import DeadLetter
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.provider_usage import ProviderUsage
from schemas.spend_window import SpendWindow
from schemas.usage_event import UsageEvent
from schemas.verdict import Verdict

RECORD_HEADER: Final = "leakline-record"
"""Header of a control record on `usage-events`: `provider-usage`, `key`, `verdict`,
`calibration`, `gateway-use` (a question); none, or `usage`, means events."""
TOLD_HEADER: Final = "leakline-told-at"
"""Header of a registry entry: when the registry told of the key, in whole Unix seconds."""
ACTED_HEADER: Final = "leakline-acted"
"""Header of a verdict that notify wrote for a click: it has acted on it already."""
CONTENT_TYPE_HEADER: Final = "content-type"
NDJSON: Final = "application/x-ndjson"
"""Content type of a packed message: one event a line."""
MOVED_HEADER: Final = "leakline-moved"
"""Header of events that were published once more to their right partition."""
MESSAGE_BYTES_MAX: Final = 900 * 1024

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's purpose and its settings at the broker."""

    name: str
    description: str
    written_by: tuple[str, ...]
    """Roles of leakline, and others: gateways, pollers of bills, owners of keys, on-call tools."""
    read_by: tuple[str, ...]
    body: type[Struct] | None
    """The struct of a message's body; None for an internal format."""
    key: str | None
    """The field that is the message key."""
    partitions: int | None = 1
    """None: as many as configured."""
    compacted: bool = False
    retention_ms: int = 7 * DAY_MS
    settings: dict[str, str] = field(default_factory=dict)


USAGE_EVENTS = Topic(
    "usage-events",
    "Requests through gateways, and the control records that detection depends on.",
    ("intake", "gateways", "detect", "notify", "reconcile"),
    ("detect", "sink"),
    UsageEvent,
    "key_id",
    partitions=None,
    settings={"message.timestamp.type": "LogAppendTime"},  # times ahead of it are refused
)
PROVIDER_USAGE = Topic(
    "provider-usage",
    "What providers billed, by key, model and window.",
    ("poll", "pollers"),
    ("reconcile", "sink", "poll"),
    ProviderUsage,
    "key_id",
)
KEYS = Topic(
    "keys",
    "The key registry.",
    ("reconcile", "owners"),
    ("reconcile", "notify", "enforce", "sink"),
    KeyRecord,
    "key_id",
    compacted=True,
    settings={"delete.retention.ms": str(7 * DAY_MS)},  # who was away hears of a withdrawal
)
INCIDENTS = Topic(
    "incidents",
    "Every revision of every incident.",
    ("detect",),
    ("notify", "sink"),
    Incident,
    "key_id",
    retention_ms=90 * DAY_MS,
)
SPEND_WINDOWS = Topic(
    "spend-windows",
    "Absolute totals of a key in a minute, an hour or a day.",
    ("detect",),
    ("sink",),
    SpendWindow,
    "key_id",
    partitions=None,
)
GATEWAY_USE = Topic(
    "gateway-use",
    "What several gateway keys behind one provider's key used in the window of a bill.",
    ("detect",),
    ("reconcile",),
    None,
    "question_id",
)
VERDICTS = Topic(
    "verdicts",
    "What people and policies say about incidents.",
    ("notify", "tools"),
    ("notify", "enforce", "sink"),
    Verdict,
    "incident_id",
    retention_ms=90 * DAY_MS,
)
ACTIONS = Topic(
    "actions",
    "What is to be done about keys.",
    ("notify", "tools"),
    ("enforce", "sink"),
    Action,
    "key_id",
    retention_ms=90 * DAY_MS,
)
ACTION_RESULTS = Topic(
    "action-results",
    "What came of the actions.",
    ("enforce",),
    ("notify", "sink"),
    ActionResult,
    "action_id",
    retention_ms=90 * DAY_MS,
)
DEAD_LETTERS = Topic(
    "dead-letters",
    "Events that could not be folded, with the reason.",
    ("detect", "intake"),
    ("sink",),
    DeadLetter,
    None,
    retention_ms=30 * DAY_MS,
)
CLICKS = Topic(
    "slack-clicks",
    "Verified clicks on buttons, as Slack sent them, before anybody judged who clicked.",
    ("serve",),
    ("notify",),
    None,
    "incident_id",
)
DETECT_STATE = Topic(
    "detect-state",
    "States of keys at the last checkpoint, in the partition of their events.",
    ("detect",),
    ("detect",),
    None,
    "key_id",
    partitions=None,
    compacted=True,
)
NOTIFY_STATE = Topic(
    "notify-state",
    "Incidents that have a message, and where it is.",
    ("notify",),
    ("notify",),
    None,
    "incident_id",
    compacted=True,
)
ENFORCE_STATE = Topic(
    "enforce-state",
    "Intents and outcomes of actions.",
    ("enforce",),
    ("enforce",),
    None,
    "action_id",
    compacted=True,
)
RECONCILE_STATE = Topic(
    "reconcile-state",
    "The key registry as it was handed on, and bills that wait.",
    ("reconcile",),
    ("reconcile",),
    None,
    None,
    compacted=True,
)
POLL_STATE = Topic(
    "poll-state",
    "The bills of the last two days as they were handed on.",
    ("poll",),
    ("poll",),
    None,
    None,
    compacted=True,
)

TOPICS: Final = (
    USAGE_EVENTS,
    PROVIDER_USAGE,
    KEYS,
    INCIDENTS,
    SPEND_WINDOWS,
    GATEWAY_USE,
    VERDICTS,
    ACTIONS,
    ACTION_RESULTS,
    DEAD_LETTERS,
    CLICKS,
    DETECT_STATE,
    NOTIFY_STATE,
    ENFORCE_STATE,
    RECONCILE_STATE,
    POLL_STATE,
)
