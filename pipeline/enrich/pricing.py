"""What a request cost, in integer nano-dollars, from the event or from the price catalogue.

Prices come from genai-prices, which ships its catalogue. A model's price card is compiled once
into integers, so that pricing an event is a look-up and a few multiplications, exact and the same
on every machine. A price that changed is taken as of the time of the request.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from math import inf
from typing import Final, NamedTuple, TypeAlias

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from pipeline.enrich.providers import ALIASES
from schemas.fields import NANOS, epoch, utc
from schemas.usage_event import UsageEvent

MODELS_MAX: Final = 4096
"""(provider, model) pairs remembered; beyond it everything is forgotten and learnt again."""
NAME_LENGTH_MAX: Final = 256
"""Characters in a provider's or model's name; a longer one has no price."""

_SELF_HOSTED: Final = frozenset(
    {
        "docker_model_runner",
        "hosted_vllm",
        "infinity",
        "lemonade",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "oobabooga",
        "triton",
        "vllm",
        "xinference",
    }
)
"""Servers of models on one's own machines: what others ask for the same model is no price."""

_OPENROUTER: Final = "openrouter"
_ROUTED: Final = frozenset({"exacto", "floor", "nitro", "online", "thinking"})
"""OpenRouter's variants that choose where, or how, the same model runs …"""
_FREE_VARIANT: Final = "free"
"""… and the one that costs nothing."""
_VARIANTS_MAX: Final = 2
"""In one name; nobody sells more, and each takes the catalogue half a millisecond."""

_FREE_OPERATIONS: Final = frozenset({"models.list"})

Constraint: TypeAlias = StartDateConstraint | TimeOfDateConstraint | None


class _Rates(NamedTuple):
    """What a token adds to the bill, in nano-dollars times `scale`.

    Cached, written and reasoning tokens are counted in the totals too, so theirs are differences.
    """

    input: int
    cached: int
    written: int
    output: int
    reasoning: int
    request: int
    scale: int

    def nanos(self, event: UsageEvent) -> int:
        """The cost of an event. Parts that exceed their total are cut down to it."""
        token, cached_token, written_token, output_token, reasoning_token, request, scale = self
        total, output = event.input_tokens, event.output_tokens
        scaled = request + token * total + output_token * output
        if cached := event.cached_input_tokens:
            cached = min(cached, total)
            scaled += cached_token * cached
        if written := event.cache_write_tokens:
            scaled += written_token * min(written, total - cached)
        if reasoning_token:
            scaled += reasoning_token * min(event.reasoning_tokens, output)
        return scaled if scale == 1 else (scaled + scale // 2) // scale

    @property
    def by_token_alone(self) -> bool:
        """Whether tokens cost something, and requests as such do not."""
        return not self.request and any(self[:-2])


_FREE: Final = _Rates(0, 0, 0, 0, 0, 0, scale=1)
_Card = tuple[tuple[int, _Rates], ...]
"""(input tokens that must be exceeded, rates), the highest first, the last one for all."""
_Schedule = tuple[tuple[float | TimeOfDateConstraint, _Card], ...]
"""(since when, in Unix seconds, or at which hours; card), the first that holds wins."""


class Pricer:
    """Prices events. Deterministic; one dict look-up for a model that was seen before."""

    def __init__(self) -> None:
        self._schedules: dict[tuple[str | None, str | None], _Rates | _Schedule | None] = {}
        self._catalogue = _catalogue()

    def price(self, event: UsageEvent) -> int | None:
        """Nano-dollars that an event cost, or None when nobody knows its model's price."""
        cost = event.cost_usd
        if cost is not None:
            return round(cost * NANOS)
        uncounted = not event.input_tokens and not event.output_tokens
        if uncounted and _is_free(event):
            return 0
        name = (event.provider, event.model)
        try:
            schedule = self._schedules[name]
        except KeyError:
            schedule = self._learn(name)
        if schedule is None:
            return None
        rates = schedule if isinstance(schedule, _Rates) else _rates_at(schedule, event)
        if rates is None or (uncounted and rates.by_token_alone):
            return None
        return rates.nanos(event)

    def _learn(self, name: tuple[str | None, str | None]) -> _Rates | _Schedule | None:
        if len(self._schedules) >= MODELS_MAX:
            self._schedules.clear()
            self._catalogue = _catalogue()
        schedule = self._schedules[name] = self._look_up(*name)
        return schedule

    def _look_up(self, provider: str | None, model: str | None) -> _Rates | _Schedule | None:
        if not model or len(model) > NAME_LENGTH_MAX or len(provider or "") > NAME_LENGTH_MAX:
            return None
        sellers = _sellers(provider, model)
        if not _SELF_HOSTED.isdisjoint(sellers):
            return None
        candidates = list(_candidates(provider, model))
        if _OPENROUTER in sellers:
            base, _, variant = model.rpartition(":")
            if variant.lower() == _FREE_VARIANT:
                return _FREE
            if model.count(":") > _VARIANTS_MAX:
                return None
            # Others' catalogues go by the beginning of a name, and would know it as any model.
            own = [each for each in candidates if (each[0] or "").lower() == _OPENROUTER]
            if variant.lower() in _ROUTED and self._find(own) is None:
                return self._look_up(provider, base)
        found = self._find(candidates)
        return None if found is None else _compile(found)

    def _find(self, candidates: Iterable[tuple[str | None, str]]) -> ModelInfo | None:
        for provider_id, reference in candidates:
            try:
                return self._catalogue.find_provider_model(reference, None, provider_id, None)[1]
            except LookupError:
                continue
        return None


def is_self_hosted(provider: str | None) -> bool:
    """Whether a provider's name is that of a server on one's own machines: nobody bills its use."""
    return provider is not None and provider.lower() in _SELF_HOSTED


def _sellers(provider: str | None, model: str) -> tuple[str, str]:
    """Who sells it, as far as the provider, or what stands before the model's name, tells."""
    return (provider or "").lower(), model.partition("/")[0].lower()


def _is_free(event: UsageEvent) -> bool:
    """Whether a request without tokens cost nothing, rather than something uncounted."""
    return event.status >= 400 or event.operation in _FREE_OPERATIONS


def _catalogue() -> DataSnapshot:
    """The catalogue with look-up caches of its own, which go when ours go."""
    return DataSnapshot(providers=get_snapshot().providers, from_auto_update=False)


def _candidates(provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """(provider, model) pairs to try, the most exact first: `azure/gpt-4o` names its provider."""
    prefix, _, rest = model.partition("/")
    if provider:
        known = ALIASES.get(provider.lower(), provider)
        yield known, model
        if rest:
            yield known, rest
    if rest:
        yield ALIASES.get(prefix.lower(), prefix), rest
    yield None, model
    if rest:
        yield None, rest


def _rates_at(schedule: _Schedule, event: UsageEvent) -> _Rates | None:
    """The rates of an event; None: nothing that it counts has a price on the card of its time."""
    for start, rates in _card_at(schedule, event):
        if event.input_tokens > start:
            return rates
    return None


def _card_at(schedule: _Schedule, event: UsageEvent) -> _Card:
    at = epoch(event.occurred_at)
    for since, card in schedule:
        if at >= since if isinstance(since, float) else since.active(utc(at)):
            return card
    return schedule[-1][1]


def _compile(model: ModelInfo) -> _Rates | _Schedule | None:
    """A model's prices over time; only the rates when they never depend on anything."""
    if isinstance(model.prices, ModelPrice):
        schedule: _Schedule = ((-inf, _card(model.prices)),)
    else:
        schedule = tuple(
            (_since(price.constraint), _card(price.prices)) for price in reversed(model.prices)
        )
    cards = [card for _, card in schedule]
    if not any(cards):
        return None
    return cards[0][0][1] if len(cards) == 1 and len(cards[0]) == 1 else schedule


def _since(constraint: Constraint) -> float | TimeOfDateConstraint:
    if isinstance(constraint, StartDateConstraint):
        return datetime.combine(constraint.start_date, time(), UTC).timestamp()
    return -inf if constraint is None else constraint


_KEYS: Final = (
    "input_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "output_mtok",
    "output_reasoning_mtok",
    "requests_kcount",
)


def _card(prices: ModelPrice) -> _Card:
    """A card of rates; empty when nothing that an event counts has a price."""
    found = {key: price for key in _KEYS if (price := getattr(prices, key)) is not None}
    if not found:
        return ()
    starts = {-1}
    for price in found.values():
        if isinstance(price, TieredPrices):
            starts.update(tier.start for tier in price.tiers)
    return tuple((start, _rates(found, start)) for start in sorted(starts, reverse=True))


def _rates(found: dict[str, Decimal | TieredPrices], start: int) -> _Rates:
    price = {key: _at_tier(value, start) for key, value in found.items()}
    token, zero = price.get("input_mtok", Decimal(0)), Decimal(0)
    written = price.get("output_mtok", zero)
    exact = [  # dollars a million tokens are 1,000 times as many nano-dollars a token
        token * 1000,
        (price.get("cache_read_mtok", token) - token) * 1000,
        (price.get("cache_write_mtok", token) - token) * 1000,
        written * 1000,
        (price.get("output_reasoning_mtok", written) - written) * 1000,
        price.get("requests_kcount", zero) * 1_000_000,
    ]
    scale = 10 ** max(0, *(-int(number.normalize().as_tuple().exponent) for number in exact))
    return _Rates._make([*(int(number * scale) for number in exact), scale])


def _at_tier(price: Decimal | TieredPrices, start: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if start >= tier.start), price.base)
