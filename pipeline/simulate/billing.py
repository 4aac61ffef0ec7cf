"""What providers bill: hourly figures by key and model, a few minutes late and a little off."""

import numpy as np

from pipeline.simulate.arrivals import HOUR, Rng
from pipeline.simulate.loot import loot
from pipeline.simulate.parties import Table
from pipeline.simulate.tenants import Tenant
from pipeline.simulate.workload import INDEX, MODELS, dollars
from schemas.fields import epoch
from schemas.provider_usage import ProviderUsage


class Billing:
    """Adds up served requests as the provider would, and what was used beside the gateway."""

    def __init__(self, tenants: list[Tenant], rng: Rng) -> None:
        self._tenants = tenants
        self._rng = rng
        self._billed = np.array([tenant.billed for tenant in tenants])
        self._waiting: list[ProviderUsage] = []
        self._totals: dict[tuple[int, int, int], list[float]] = {}
        self.stolen: dict[int, tuple[float, list[tuple[float, float]]]] = {}
        """By tenant: when the figures first showed use beside the gateway, and its spend."""

    def see(self, table: Table) -> None:
        """Add the served requests of a day (each once, whatever the log did to them)."""
        if not table:
            return
        _, first = np.unique(table["nonce"], return_index=True)
        rows = first[self._billed[table["tenant"][first]] & (table["status"][first] == 200)]
        if not len(rows):
            return
        part = {name: column[rows] for name, column in table.items()}
        hours = (part["time"] // HOUR).astype(np.int64)
        codes = (hours * len(self._tenants) + part["tenant"]) * len(MODELS) + part["model"]
        unique, places = np.unique(codes, return_inverse=True)
        figures = (np.ones(len(rows)), part["input"], part["cached"], part["output"], dollars(part))
        sums = [np.bincount(places, weights=column) for column in figures]
        for i, code in enumerate(unique.tolist()):
            rest, model = divmod(code, len(MODELS))
            hour, tenant = divmod(rest, len(self._tenants))
            total = self._totals.setdefault((hour, tenant, model), [0.0] * 5)
            for j, column in enumerate(sums):
                total[j] += float(column[i])

    def until(self, time: float) -> list[ProviderUsage]:
        """The figures observed before a time, in order of observation."""
        closed = [code for code in self._totals if (code[0] + 1) * HOUR <= time]
        for hour, tenant, model in sorted(closed):
            self._add(hour, tenant, model, self._totals.pop((hour, tenant, model)))
        self._steal(time)
        self._waiting.sort(key=lambda usage: (epoch(usage.observed_at), usage.key_id or ""))
        ready = [u for u in self._waiting if epoch(u.observed_at) < time]
        self._waiting = self._waiting[len(ready) :]
        return ready

    def _add(self, hour: int, number: int, model: int, total: list[float]) -> float:
        tenant = self._tenants[number]
        # Retries behind the gateway's back and requests cut off on the way: a little is always off.
        off = 1 + float(self._rng.normal(0, 0.002))
        requests, inputs, cached, outputs, usd = total
        end = (hour + 1) * HOUR
        observed = end + float(self._rng.uniform(60, 480))
        self._waiting.append(
            ProviderUsage(
                provider=MODELS[model].provider,
                provider_key_id=tenant.record.provider_key_id,
                key_id=tenant.record.key_id,
                model=MODELS[model].name,
                window_start=hour * HOUR,
                window_end=end,
                requests=round(requests),
                input_tokens=round(inputs * off),
                cached_input_tokens=round(cached * off),
                output_tokens=round(outputs * off),
                cost_usd=round(usd * off, 6),
                observed_at=observed,
            )
        )
        return observed

    def _steal(self, time: float) -> None:
        """Windows of use beside the gateway that closed before a time."""
        for number, tenant in enumerate(self._tenants):
            for episode in tenant.episodes:
                if not episode.off_gateway_usd_per_hour:
                    continue
                first, spent = self.stolen.get(number, (0.0, []))
                hour = int((spent[-1][0] if spent else episode.start) // HOUR)
                while (hour + 1) * HOUR <= min(time, episode.end):
                    share = min(1.0, ((hour + 1) * HOUR - episode.start) / HOUR)
                    wander = float(self._rng.lognormal(0, 0.3))
                    usd = episode.off_gateway_usd_per_hour * share * wander
                    seen = self._bill_theft(hour, number, usd)
                    first = first or seen
                    spent.append(((hour + 1) * HOUR, usd))
                    hour += 1
                if spent:
                    self.stolen[number] = (first, spent)

    def _bill_theft(self, hour: int, number: int, usd: float) -> float:
        provider = self._tenants[number].record.provider or "openai"
        taste = loot(np.random.default_rng(number), provider, dear=False)
        model = INDEX[taste.models[0]]
        price = MODELS[model]
        each = (taste.input_median * price.input_usd + taste.output_median * price.output_usd) / 1e6
        requests = max(1.0, usd / each)
        add = [requests, requests * taste.input_median, 0.0, requests * taste.output_median, usd]
        # The gateway's own use of that model in that window is on the same line of the bill.
        own = [
            usage
            for usage in self._waiting
            if usage.key_id == self._tenants[number].record.key_id
            and usage.model == price.name
            and epoch(usage.window_start) == hour * HOUR
        ]
        for usage in own:
            self._waiting.remove(usage)
            figures = (
                usage.requests or 0,
                usage.input_tokens,
                usage.cached_input_tokens,
                usage.output_tokens,
                usage.cost_usd or 0.0,
            )
            add = [a + b for a, b in zip(add, figures, strict=True)]
        return self._add(hour, number, model, add)
