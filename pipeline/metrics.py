"""The metrics, as data: what each one counts, and what an operator does when it moves."""

from typing import Final, get_args

from pipeline.counts import SECONDS, Metric
from schemas.action import Outcome
from schemas.dead_letter import REASONS
from schemas.incident import Severity

INTAKE_EVENTS: Final = Metric(
    "leakline_intake_events_total",
    "counter",
    "Events that the broker acknowledged, by format and token.",
    "When it falls to 0 while gateways are in use, look at their logs and at the refusals.",
    ("format", "source"),
)
INTAKE_REJECTED: Final = Metric(
    "leakline_intake_rejected_total",
    "counter",
    "Items that became dead letters at the intake, by format and reason.",
    "`leakline dead-letters list` shows them; a new reason usually means that a gateway was"
    " upgraded.",
    ("format", "reason"),
)
INTAKE_REFUSED: Final = Metric(
    "leakline_intake_refused_total",
    "counter",
    "Requests refused as a whole, by HTTP status; `connection`: one was closed, because there are"
    " 512 connections already.",
    "401: a gateway has an old token, or somebody is guessing. 429 and 413: raise the limits or"
    " shrink the gateway's batches. 503: check the broker. `connection`: start another server, or"
    " let gateways keep their connections open.",
    ("status",),
    starts=("401", "413", "429", "503", "connection"),
)
INTAKE_SECONDS: Final = Metric(
    "leakline_intake_seconds",
    "histogram",
    "Seconds from a request's first byte to the broker's acknowledgement.",
    "When it grows the broker is slow, or one process is not enough: start another.",
    ("format",),
    SECONDS,
)
INTAKE_UNAVAILABLE: Final = Metric(
    "leakline_intake_log_unavailable_total",
    "counter",
    "Batches that the broker did not acknowledge; gateways were told to retry.",
    "Check the broker: gateways buffer for minutes, not for hours.",
)
SLACK_CLICKS: Final = Metric(
    "leakline_slack_clicks_total",
    "counter",
    "Requests to the endpoint of Slack's interactions, by outcome.",
    "`refused` keeps growing: the signing secret is wrong, or somebody is probing.",
    ("outcome",),
    starts=("taken", "ignored", "refused"),
)
CONSOLE_REQUESTS: Final = Metric(
    "leakline_console_requests_total",
    "counter",
    "Requests for pages of the console, by HTTP status.",
    "401 keeps growing: somebody is guessing the console's token.",
    ("status",),
)

EVENTS: Final = Metric(
    "leakline_events_total",
    "counter",
    "Usage events by what became of them: folded, late, duplicate, already_folded, moved; and, of"
    " the first three, those without a price (unpriced) or a source (no_source).",
    "`moved` grows: a producer does not partition by murmur2 of the key id."
    " `unpriced`: the catalogue lacks a model, or a gateway counts no tokens: see Prices."
    " `no_source`: a gateway sends no `client_ip`, or none that can be read, so nobody knows from"
    " where its keys are used."
    " `late`: a gateway buffers for longer than `detection.lateness_seconds`.",
    ("outcome",),
)
LIMITS: Final = Metric(
    "leakline_limits_met_total",
    "counter",
    "Periods of five minutes at whose end a key was at a limit of its state, by limit. Beyond the"
    " limit, `event_ids`: not all duplicates are recognised; `slices`: rare kinds of requests are"
    " counted together; `sources`: distinct ones are estimated; `newcomers` and `facet_values`:"
    " those that did least are forgotten; `bill_lines`: further models of a bill are left out;"
    " `revisions`: changes of an incident are not published any more.",
    "`leakline explain` shows the key. `event_ids`, `slices` and `sources`: too many clients share"
    " the key, give them keys of their own. `revisions`: answer the incident.",
    ("limit",),
)
DEAD_LETTERS: Final = Metric(
    "leakline_dead_letters_total",
    "counter",
    "Events that could not be folded, by reason; those above a limit are `too_large`,"
    " `identifier_length` and `out_of_range`.",
    "`leakline dead-letters list` shows them; beyond the budget the worker stops.",
    ("reason",),
    starts=REASONS,
)
INCIDENTS: Final = Metric(
    "leakline_incident_revisions_total",
    "counter",
    "Revisions of incidents that detection published, by severity.",
    "Many more pages than usual: first look for a change in the whole fleet, then at single keys.",
    ("severity",),
    starts=get_args(Severity),
)
CHECKPOINT_SECONDS: Final = Metric(
    "leakline_checkpoint_seconds",
    "histogram",
    "Seconds of a checkpoint: totals, states and offsets in one transaction of a partition.",
    "Near `kafka.checkpoint_seconds`: too many keys in a partition, or a slow broker. Only the "
    "partition itself waits for it.",
    (),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
RESTORED: Final = Metric(
    "leakline_restored_keys_total",
    "counter",
    "Keys whose states were taken over with a partition.",
    "Growth without a deploy: workers come and go; look at their logs and at the session time-out.",
)
RECORD_AGE: Final = Metric(
    "leakline_record_age_seconds",
    "gauge",
    "Age of the newest record of a topic that a role has in hand; as it was when that was dealt"
    " with, while there is none.",
    "When it grows the role is behind, or stuck: see what it waits for, or give it another worker.",
    ("topic",),
)
RECORDS: Final = Metric(
    "leakline_records_total",
    "counter",
    "Records dealt with, by topic.",
    "When it stands still while the topic grows, the role is stuck: read its log.",
    ("topic",),
)
ROWS: Final = Metric(
    "leakline_rows_total",
    "counter",
    "Rows that the store accepted, by table.",
    "When it falls behind the events, give the sink another worker.",
    ("table",),
)
INSERT_SECONDS: Final = Metric(
    "leakline_insert_seconds",
    "histogram",
    "Seconds of an insert that the store has accepted, waiting for the store included. One that"
    " still waits is in `leakline_store_unavailable_total` alone.",
    "When it grows the store is slow, or was down; Kafka keeps what waits.",
    ("table",),
    (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0),
)
STORE_UNAVAILABLE: Final = Metric(
    "leakline_store_unavailable_total",
    "counter",
    "Inserts that the store did not accept, and that were retried.",
    "Check ClickHouse.",
)
SLACK_MESSAGES: Final = Metric(
    "leakline_slack_messages_total",
    "counter",
    "Messages to people by outcome: posted, updated, failed (tried again), fallback.",
    "`failed`: see Slack's status and the token. `fallback`: people were told by the webhook.",
    ("outcome",),
    starts=("posted", "updated", "failed", "fallback"),
)
REQUESTED: Final = Metric(
    "leakline_actions_requested_total",
    "counter",
    "Actions that were asked for, by kind and by whom: a policy or a person.",
    "More by policy than you expect: set `brakes.dry_run` and read `leakline policy test`.",
    ("kind", "by"),
)
OUTCOMES: Final = Metric(
    "leakline_action_outcomes_total",
    "counter",
    "Outcomes of actions at gateways, by status.",
    "`failed`: revoke by hand. `refused`: a brake or a protected key; the page says which.",
    ("status",),
    starts=get_args(Outcome),
)

POLLED: Final = Metric(
    "leakline_polled_records_total",
    "counter",
    "Records of bills that were handed on, by provider.",
    "When it stands still while keys are in use, look at the failures.",
    ("provider",),
)
POLL_FAILURES: Final = Metric(
    "leakline_poll_failures_total",
    "counter",
    "Requests for usage reports that failed, by provider and reason: `key_refused` (401, 403),"
    " `throttled` (429), `unavailable` (no answer, 5xx), `unreadable`.",
    "`key_refused`: replace the admin key, or give it its rights. `throttled`: raise"
    " `poll.interval_seconds`. `unreadable`: the log says what came instead of a report.",
    ("provider", "reason"),
)
POLL_AGE: Final = Metric(
    "leakline_poll_age_seconds",
    "gauge",
    "Seconds since everything that a provider reported was handed on, or since the worker began to"
    " ask it.",
    "Above an hour, bills are missing and stolen use is not seen: look at the failures. Of several"
    " workers, the smallest counts.",
    ("provider",),
)
POLL_LEFT_OUT: Final = Metric(
    "leakline_poll_rows_left_out",
    "gauge",
    "Rows of the last whole report that were not handed on, by provider and reason: `no_key` (as of"
    " the provider's console), `batch`, `malformed`.",
    "`malformed`: the provider has changed its report.",
    ("provider", "reason"),
)

SERVER_METRICS: Final = (
    INTAKE_EVENTS,
    INTAKE_REJECTED,
    INTAKE_REFUSED,
    INTAKE_SECONDS,
    INTAKE_UNAVAILABLE,
    SLACK_CLICKS,
    CONSOLE_REQUESTS,
)
"""Of the server."""
WORKER_METRICS: Final = (
    EVENTS,
    LIMITS,
    DEAD_LETTERS,
    INCIDENTS,
    CHECKPOINT_SECONDS,
    RESTORED,
    RECORD_AGE,
    RECORDS,
    ROWS,
    INSERT_SECONDS,
    STORE_UNAVAILABLE,
    SLACK_MESSAGES,
    REQUESTED,
    OUTCOMES,
    POLLED,
    POLL_FAILURES,
    POLL_AGE,
    POLL_LEFT_OUT,
)
"""Of the workers; each role moves its own."""
