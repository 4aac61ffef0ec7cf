"""Incidents for the console, read from ClickHouse."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from pipeline.printable import printable
from pipeline.serve.ports import ReaderUnavailable
from pipeline.store import LaterStore, Store, StoreError
from schemas.action import Action, ActionResult
from schemas.incident import Incident
from schemas.provider_usage import ProviderUsage
from schemas.verdict import Verdict

log: Final = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)

# Which incidents are asked for is found out first: the rest of a row is large, and nothing is
# ever deleted.
_LIST: Final = """
SELECT * FROM v_incidents WHERE incident_id IN (
    SELECT incident_id FROM v_incidents ORDER BY opened_at DESC, incident_id LIMIT {limit:UInt32}
)
ORDER BY opened_at DESC, incident_id
"""
_ONE: Final = "SELECT * FROM v_incidents WHERE incident_id = {incident_id:String}"
_REVISIONS: Final = """
SELECT * FROM v_incident_revisions WHERE incident_id IN (
    SELECT incident_id FROM v_incident_revisions WHERE key_id = {key_id:String}
)
ORDER BY detected_at, incident_id, revision
"""
_SPEND: Final = """
SELECT toUnixTimestamp(window_start), toFloat64(spend_usd) FROM v_spend_windows
WHERE key_id = {key_id:String} AND granularity = '1m'
  AND window_start >= fromUnixTimestamp({start:Int64})
  AND window_start < fromUnixTimestamp({end:Int64})
ORDER BY window_start
"""
_SAID: Final = "SELECT * FROM v_verdicts WHERE key_id = {key_id:String} ORDER BY at"
_BILLS: Final = """
SELECT * FROM v_provider_usage WHERE {key_id:String} IN (key_id, provider_key_id)
ORDER BY observed_at
"""
_VERDICTS: Final = "SELECT * FROM v_verdicts WHERE incident_id = {incident_id:String} ORDER BY at"
_ACTIONS: Final = (
    "SELECT * FROM v_actions WHERE incident_id = {incident_id:String} ORDER BY requested_at"
)
_RESULTS: Final = """
SELECT * FROM v_action_results
WHERE action_id IN (SELECT action_id FROM v_actions WHERE incident_id = {incident_id:String})
ORDER BY at, attempt
"""


class StoreReader:
    """An `IncidentReader` over the store."""

    def __init__(self, store: Store | LaterStore) -> None:
        self._store = store

    def incidents(self, limit: int) -> list[Incident]:
        """The latest revision of so many incidents, the newest first."""
        return self._records(Incident, _LIST, limit=limit)

    def incident(self, incident_id: str) -> Incident | None:
        """The latest revision of one."""
        return next(iter(self._records(Incident, _ONE, incident_id=incident_id)), None)

    def revisions(self, key_id: str) -> list[Incident]:
        """Every revision of the incidents of a key, as they came."""
        return self._records(Incident, _REVISIONS, key_id=key_id)

    def spend(self, key_id: str, start: float, end: float) -> list[tuple[float, float]]:
        """(start of the minute in Unix seconds, dollars), in order."""
        rows = self._rows(_SPEND, key_id=key_id, start=int(start) // 60 * 60, end=int(end))
        return [(float(at), float(dollars)) for at, dollars in (row.values() for row in rows)]

    def verdicts(self, incident_id: str) -> list[Verdict]:
        """What was said about an incident, in order."""
        return self._records(Verdict, _VERDICTS, incident_id=incident_id)

    def said(self, key_id: str) -> list[Verdict]:
        """What was said about the incidents of a key, in order."""
        return self._records(Verdict, _SAID, key_id=key_id)

    def bills(self, key_id: str) -> list[ProviderUsage]:
        """What providers billed under the name of a key, in order."""
        return self._records(ProviderUsage, _BILLS, key_id=key_id)

    def actions(self, incident_id: str) -> list[tuple[Action, list[ActionResult]]]:
        """What was done about an incident, in order."""
        actions = self._records(Action, _ACTIONS, incident_id=incident_id)
        results = self._records(ActionResult, _RESULTS, incident_id=incident_id)
        return [
            (action, [result for result in results if result.action_id == action.action_id])
            for action in actions
        ]

    def _records(self, kind: type[T], sql: str, **params: str | int) -> list[T]:
        read = (_record(row, kind) for row in self._rows(sql, **params))
        return [record for record in read if record is not None]

    def _rows(self, sql: str, **params: str | int) -> list[dict[str, Any]]:
        try:
            return self._store.query(sql, params).dicts()
        except StoreError as error:
            raise ReaderUnavailable(str(error)) from None


def _record(row: Mapping[str, Any], kind: type[T]) -> T | None:
    """A row as its record; None, and a warning, where a hand other than ours broke it.

    Nobody's other incidents are kept from people for it.
    """
    try:
        return _decoded(row, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        name = kind.__name__.lower()
        which = printable(f"{row.get('incident_id') or row.get('key_id')}: {error}")
        log.warning("left out, because the store's row cannot be read: %s %s", name, which)
        return None


def _decoded(row: Mapping[str, Any], kind: type[T]) -> T:
    """Absent texts are '' in the store."""
    fields: dict[str, Any] = {
        name: _value(value) for name, value in row.items() if value not in ("", None)
    }
    if "signals" in fields:
        fields["signals"] = msgspec.json.decode(fields["signals"])
    return msgspec.convert(fields, kind)


def _value(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
