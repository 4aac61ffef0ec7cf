"""Which requests were malicious: known to the simulator, written into the labels alone."""

import numpy as np

from pipeline.simulate.arrivals import Floats
from pipeline.simulate.parties import Table
from pipeline.simulate.rows import take
from pipeline.simulate.tenants import Episode, Tenant
from pipeline.simulate.workload import dollars
from schemas.label import Label

SPEND_POINTS_MAX = 160
"""Points of a label's spend curve: dense at the beginning, where pages are expected."""


Theft = tuple[float, list[tuple[float, float]]]
"""When the provider's figures first showed use beside the gateway, and what it spent: (Unix
seconds, dollars of the window)."""


class Truth:
    """Watches the tables go by and remembers what thieves spent, and when."""

    def __init__(self, tenants: list[Tenant]) -> None:
        self._tenants = tenants
        self._seen: dict[tuple[int, int], list[tuple[Floats, Floats]]] = {
            (number, place): []
            for number, tenant in enumerate(tenants)
            for place, party in enumerate(tenant.parties)
            if party.malicious
        }

    def see(self, table: Table) -> None:
        """Note the malicious rows."""
        if not table:
            return
        for (number, place), seen in self._seen.items():
            rows = np.flatnonzero((table["tenant"] == number) & (table["party"] == place))
            if len(rows):
                seen.append((table["time"][rows], dollars(take(table, rows))))

    def labels(self, stolen: dict[int, Theft]) -> list[Label]:
        """The labels of the fleet, by start; an attack that sent nothing has none.

        Args:
            stolen: what was used beside the gateway, by tenant.
        """
        labels: list[Label] = []
        for number, tenant in enumerate(self._tenants):
            for place, episode in enumerate(tenant.episodes):
                plain = _label(f"{tenant.record.key_id}/{place}", tenant, episode)
                label = self._known(plain, number, episode, stolen)
                if label is not None:
                    labels.append(label)
        return sorted(labels, key=lambda label: (label.started_at, label.label_id))

    def _known(
        self, label: Label, number: int, episode: Episode, stolen: dict[int, Theft]
    ) -> Label | None:
        if episode.start >= self._tenants[number].end:
            return None
        if episode.off_gateway_usd_per_hour:
            return _off_gateway(label, stolen.get(number))
        if episode.party is None:
            return label
        party = self._tenants[number].parties.index(episode.party)
        return _bounded(label, self._seen[number, party])


def _label(label_id: str, tenant: Tenant, episode: Episode) -> Label:
    return Label(
        label_id=label_id,
        key_id=tenant.record.key_id,
        kind=episode.kind,
        malicious=episode.malicious,
        started_at=episode.start,
        ended_at=min(episode.end, tenant.end),
        cause=episode.cause,
        accepted_causes=list(episode.accepted) or None,
        strength=episode.strength,
        archetype=tenant.archetype,
    )


def _bounded(label: Label, seen: list[tuple[Floats, Floats]]) -> Label | None:
    if not seen:
        return None
    times = np.concatenate([times for times, _ in seen])
    order = np.argsort(times, kind="stable")
    times = times[order]
    spent = np.cumsum(np.concatenate([usd for _, usd in seen])[order])
    # In milliseconds, as the events have it: a label must not begin after its first event.
    label.started_at, label.ended_at = (float(np.round(times[i], 3)) for i in (0, -1))
    label.__post_init__()
    label.malicious_spend = _curve(times - times[0], spent)
    return label


def _off_gateway(label: Label, shown: Theft | None) -> Label | None:
    if shown is None:
        return None
    visible_at, windows = shown
    label.visible_at = visible_at
    label.__post_init__()
    times = np.array([time for time, _ in windows])
    start = (
        label.started_at if isinstance(label.started_at, float) else label.started_at.timestamp()
    )
    label.malicious_spend = _curve(times - start, np.cumsum([usd for _, usd in windows]))
    return label


def _curve(seconds: Floats, spent: Floats) -> list[tuple[float, float]]:
    count = len(seconds)
    points = np.arange(count)
    if count > SPEND_POINTS_MAX:
        points = np.unique(np.geomspace(1, count, SPEND_POINTS_MAX).astype(int)) - 1
    return [(round(float(seconds[i]), 3), round(float(spent[i]), 6)) for i in points]
