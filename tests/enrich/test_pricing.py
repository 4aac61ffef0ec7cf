from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec
import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.enrich import pricing
from pipeline.enrich.pricing import Pricer
from schemas.usage_event import UsageEvent

AT = 1_795_000_000.0
MODELS = [
    (provider, model)
    for provider in get_snapshot().providers
    for model in provider.models
    if not model.id.startswith("whisper")
]


def event(**fields: object) -> UsageEvent:
    required = {"event_id": "e", "key_id": "k", "occurred_at": AT}
    return msgspec.convert(required | fields, UsageEvent)


def price(**fields: object) -> int | None:
    return Pricer().price(event(**fields))


@pytest.mark.parametrize(
    ("fields", "nanos"),
    [
        ({"cost_usd": 0.000225}, 225_000),
        ({"cost_usd": 0.0, "model": "gpt-4o", "input_tokens": 9}, 0),
        ({"provider": "openai", "model": "gpt-4o", "input_tokens": 10}, 25_000),
        ({"provider": "openai", "model": "gpt-4o", "output_tokens": 1_000_000}, 10_000_000_000),
        ({"model": "gpt-4o", "input_tokens": 10, "cached_input_tokens": 4}, 20_000),
        ({"model": "gpt-4o", "input_tokens": 3, "cached_input_tokens": 9}, 3_750),
        ({"model": "azure/gpt-4o", "input_tokens": 10}, 25_000),
        ({"provider": "azure", "model": "azure/gpt-4o", "input_tokens": 10}, 25_000),
        ({"provider": "azure.ai.openai", "model": "gpt-4o", "input_tokens": 10}, 25_000),
        ({"provider": "my-gateway", "model": "openai/gpt-4o", "input_tokens": 10}, 25_000),
        (
            {"model": "bedrock/anthropic.claude-3-haiku-20240307-v1:0", "input_tokens": 4},
            1_000,
        ),
        ({"model": "nobody-knows", "input_tokens": 10}, None),
        ({"model": "x" * 10_000, "input_tokens": 10}, None),
        ({"input_tokens": 10}, None),
        ({"model": "nobody-knows", "status": 401}, 0),
        ({"operation": "models.list"}, 0),
        ({"operation": "images", "model": "nobody-knows"}, None),
        ({"model": "gpt-4o", "status": 429}, 0),
        ({"model": "gpt-4o", "stream": True}, None),
        ({"model": "claude-sonnet-4-5", "provider": "anthropic"}, None),
        ({"model": "gpt-image-1", "operation": "images"}, None),
        ({"provider": "perplexity", "model": "sonar"}, 12_000_000),
    ],
)
def test_prices_are_exact(fields: dict[str, object], nanos: int | None) -> None:
    assert price(**fields) == nanos


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("hosted_vllm", "openai/gpt-oss-120b"),
        ("Ollama", "deepseek-r1"),
        (None, "ollama/deepseek-r1"),
        ("litellm_proxy", "hosted_vllm/openai/gpt-oss-120b"),
    ],
)
def test_what_runs_on_own_machines_has_the_price_of_nobody_else(
    provider: str | None, model: str
) -> None:
    assert price(provider=None, model=model.rpartition("/")[2], input_tokens=10**6) is not None
    assert price(provider=provider, model=model, input_tokens=10**6) is None


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("openai/gpt-4o:nitro", 2.5),
        ("openai/gpt-4o:floor", 2.5),
        ("openai/gpt-4o:exacto", 2.5),
        ("openai/gpt-4o:Online", 2.5),
        ("openai/gpt-4o:nitro:online", 2.5),
        ("openai/gpt-4o" + ":nitro" * 3, None),
        ("anthropic/claude-sonnet-4:thinking", 3.0),
        ("openai/gpt-4o:extended", 6.0),  # the catalogue has it as a model of its own
        ("openai/gpt-4o:batch", 1.25),
        ("openai/gpt-4o:mystery", None),
        ("anthropic/claude-opus-4.7-fast:nitro", 30.0),  # Anthropic's own opus-4-7 costs a sixth
        ("anthropic/claude-3-opus:free", 0.0),
        ("deepseek/deepseek-r1:free", 0.0),
        ("nobody/knows:free", 0.0),
        ("nobody/knows:free:online", 0.0),
        ("nobody/knows:nitro", None),
        (":nitro", None),
    ],
)
def test_openrouter_sells_a_variant_at_the_price_of_its_model(
    model: str, usd: float | None
) -> None:
    nanos = None if usd is None else round(usd * 10**9)
    assert price(provider="openrouter", model=model, input_tokens=10**6) == nanos
    assert price(model=f"openrouter/{model}", input_tokens=10**6) == nanos


def test_a_name_is_looked_up_a_few_times_whatever_a_client_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    find = DataSnapshot.find_provider_model

    def counting(self: DataSnapshot, model: str, *others: None) -> object:
        asked.append(model)
        return find(self, model, *others)

    monkeypatch.setattr(DataSnapshot, "find_provider_model", counting)
    for variants in range(40):
        asked.clear()
        price(provider="openrouter", model="nobody/knows" + ":nitro" * variants, input_tokens=1)
        assert len(asked) <= 10


def test_nobody_else_gives_models_away_by_their_names() -> None:
    assert price(provider="ollama", model="qwen3:free", input_tokens=9) is None
    assert price(model="nobody-knows:free", input_tokens=9) is None
    assert price(provider="openrouter", model="deepseek/deepseek-r1:free") == 0


def test_a_long_prompt_is_priced_at_its_tier() -> None:
    model = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
    assert price(**model, input_tokens=200_000) == 200_000 * 3_000
    assert price(**model, input_tokens=200_001) == 200_001 * 6_000


@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, len(MODELS) - 1),
    total=st.integers(0, 600_000),
    output=st.integers(0, 100_000),
    shares=st.tuples(*[st.floats(0, 1)] * 3),
    at=st.floats(1.7e9, 1.85e9),
)
def test_compiled_prices_are_those_of_the_catalogue(
    place: int, total: int, output: int, shares: tuple[float, float, float], at: float
) -> None:
    provider, model = MODELS[place]
    cached = int(total * shares[0])
    written = int((total - cached) * shares[1])
    reasoning = int(output * shares[2])
    pricer = Pricer()
    pricer._schedules["p", "m"] = pricing._compile(model)
    ours = pricer.price(
        event(
            provider="p",
            model="m",
            occurred_at=at,
            input_tokens=total,
            output_tokens=output,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=reasoning,
        )
    )
    usage = Usage(
        input_tokens=total,
        output_tokens=output,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_reasoning_tokens=reasoning,
    )
    when = datetime.fromtimestamp(at, UTC)
    theirs = model.calc_price(usage, provider, genai_request_timestamp=when).total_price
    rounded = int((theirs * 10**9).quantize(Decimal(1), ROUND_HALF_UP))
    assert ours == rounded or (ours is None and rounded == 0)


def test_the_price_is_that_of_the_time_of_the_request() -> None:
    request: dict[str, object] = {
        "provider": "openrouter",
        "model": "openai/gpt-4o",
        "input_tokens": 1000,
        "cached_input_tokens": 1000,
    }
    before, after = datetime(2026, 10, 18, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)
    assert price(**request, occurred_at=before) == 2_500_000
    assert price(**request, occurred_at=after) == 1_250_000


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "MODELS_MAX", 8)
    pricer = Pricer()
    for number in range(50):
        assert pricer.price(event(model=f"nobody-{number}", input_tokens=1)) is None
        assert len(pricer._schedules) <= 8
    assert pricer.price(event(model="gpt-4o", input_tokens=10)) == 25_000
