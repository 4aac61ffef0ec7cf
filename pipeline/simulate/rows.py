"""Tables of requests become events: joined, put in the log's order, and spelt out."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from pipeline.simulate.arrivals import Ints, Rng
from pipeline.simulate.parties import Table
from pipeline.simulate.tenants import Tenant
from pipeline.simulate.workload import MODELS, REFUSALS, dollars
from schemas.usage_event import UsageEvent

_COLUMNS = (
    "time",
    "tenant",
    "nonce",
    "model",
    "operation",
    "status",
    "input",
    "output",
    "cached",
    "reasoning",
    "latency",
    "first_token",
    "stream",
    "client_ip",
    "user_agent",
    "origin",
    "end_user",
    "cost",
)
TWICE_SHARE = 0.1
"""Of the disordered events, those that come twice."""
DELAY_MEDIAN_SECONDS = 20.0
DELAY_SECONDS_MAX = 240.0


def deliver(table: Table, rng: Rng, disorder: float) -> Table:
    """Add when the log gets each row; a share of the rows comes late, some of them twice."""
    count = len(table["time"])
    table["delivered"] = table["time"].copy()
    if not disorder:
        return table
    late = np.flatnonzero(rng.random(count) < disorder)
    delays = rng.lognormal(np.log(DELAY_MEDIAN_SECONDS), 1.0, len(late))
    table["delivered"][late] += np.minimum(delays, DELAY_SECONDS_MAX)
    twice = late[rng.random(len(late)) < TWICE_SHARE]
    again = take(table, twice)
    again["delivered"] = again["delivered"] + rng.uniform(0, DELAY_SECONDS_MAX, len(twice))
    return concatenate([table, again])


def concatenate(tables: list[Table]) -> Table:
    """One table of all rows."""
    filled = [table for table in tables if table]
    if not filled:
        return {}
    return {name: np.concatenate([table[name] for table in filled]) for name in filled[0]}


def ordered(table: Table) -> Table:
    """The rows as the log has them."""
    if not table:
        return {}
    return take(table, np.argsort(table["delivered"], kind="stable"))


def take(table: Table, rows: slice | Ints) -> Table:
    """Some of the rows."""
    return {name: column[rows] for name, column in table.items()}


def events(table: Table, tenants: list[Tenant]) -> Iterator[UsageEvent]:
    """The rows as events."""
    if not table:
        return
    rounded: Table = {
        "time": np.round(table["time"], 3),
        "cost": np.round(dollars(table), 9),
        "latency": np.round(table["latency"], 1),
        "first_token": np.round(table["first_token"], 1),
    }
    columns = [(rounded[name] if name in rounded else table[name]).tolist() for name in _COLUMNS]
    for (
        time, number, nonce, model, operation, status, inputs, outputs, cached, reasoning,
        latency, first_token, stream, client_ip, user_agent, origin, end_user, cost,
    ) in zip(*columns, strict=True):  # fmt: skip
        tenant = tenants[number]
        record, asked = tenant.record, MODELS[model]
        yield UsageEvent(
            event_id=f"req_{nonce:016x}",
            occurred_at=datetime.fromtimestamp(time, UTC),
            key_id=record.key_id,
            source=tenant.source,
            provider=asked.provider,
            model=None if operation == "models.list" else asked.name,
            operation=operation,
            status=status,
            error_type=None if status == 200 else _error(status, tenant),
            input_tokens=inputs,
            output_tokens=outputs,
            cached_input_tokens=cached,
            reasoning_tokens=reasoning,
            cost_usd=cost if tenant.priced else None,
            latency_ms=latency,
            time_to_first_token_ms=first_token if stream else None,
            stream=stream,
            client_ip=client_ip,
            user_agent=user_agent,
            origin=origin,
            end_user=end_user,
            team=record.team,
            environment=record.environment,
        )


def _error(status: int, tenant: Tenant) -> str:
    if status == 401 and tenant.record.status == "revoked":
        return "revoked_key"
    return REFUSALS[status]
