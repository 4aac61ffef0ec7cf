"""Records for tests: whole by default, any field replaced by name."""

import msgspec

from schemas.action import Action, ActionResult
from schemas.incident import Incident, Signal
from schemas.key_record import KeyRecord
from schemas.verdict import Verdict

AT = 1_790_000_000.0
"""Unix seconds of everything that does not say otherwise."""
KEY_ID = "sha256:" + "ab" * 32
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signal(**changes: object) -> Signal:
    whole = Signal(
        detector="spend_spike",
        score=7.5,
        p_value=1e-6,
        window_start=AT - 600,
        window_end=AT,
        summary="$41.20 in 10 minutes, where $0.90 is usual at this hour.",
        evidence={"spend_usd": 41.2, "usual_usd": 0.9},
    )
    return msgspec.structs.replace(whole, **changes)


def incident(**changes: object) -> Incident:
    source = signal(
        detector="new_source",
        score=9.0,
        summary="212 requests from 198.51.100.0/24 (NL), never seen; usual are DE and FR.",
        evidence={"prefix": "198.51.100.0/24", "user_agent": "python-requests/2.32"},
    )
    whole = Incident(
        incident_id="inc_1",
        revision=1,
        key_id=KEY_ID,
        team="search",
        environment="prod",
        status="open",
        severity="page",
        cause="leaked",
        runner_up="runaway",
        risk=0.98,
        opened_at=AT - 600,
        detected_at=AT,
        spend_usd=41.2,
        baseline_usd=0.9,
        burn_usd_per_hour=247.2,
        signals=[source, signal()],
    )
    return msgspec.structs.replace(whole, **changes)


def key_record(**changes: object) -> KeyRecord:
    whole = KeyRecord(
        key_id=KEY_ID,
        alias="prod-search",
        team="search",
        owner="ana",
        environment="prod",
        gateway="edge",
    )
    return msgspec.structs.replace(whole, **changes)


def action(**changes: object) -> Action:
    whole = Action(
        action_id="act_1",
        incident_id="inc_1",
        key_id=KEY_ID,
        kind="revoke",
        gateway="edge",
        requested_by="slack:U1",
        requested_at=AT,
    )
    return msgspec.structs.replace(whole, **changes)


def action_result(**changes: object) -> ActionResult:
    whole = ActionResult(
        action_id="act_1",
        attempt=1,
        status="verified",
        http_status=200,
        at=AT + 5,
        incident_id="inc_1",
        key_id=KEY_ID,
        kind="revoke",
    )
    return msgspec.structs.replace(whole, **changes)


def verdict(**changes: object) -> Verdict:
    whole = Verdict(
        incident_id="inc_1",
        key_id=KEY_ID,
        verdict="benign",
        by="slack:U1",
        at=AT + 1,
    )
    return msgspec.structs.replace(whole, **changes)


def body(record: msgspec.Struct) -> bytes:
    """A record as it stands in a topic."""
    return msgspec.json.encode(record)
