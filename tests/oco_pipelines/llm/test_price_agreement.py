"""Our arithmetic over the whole imported catalogue against genai-prices' own calculation.

Deliberate differences, each with a test here: tokens at a model that is billed by the second have
no price, which is unpriced and not $0; the catalogue's names of fine-tuned models are found; a part
of a usage that is larger than its whole is charged, where genai-prices raises.
genai-prices knows neither OpenAI's 12-hour cache writes nor Anthropic's compaction: what the meters
make of those is tested with them.
"""

import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import genai_prices
import pytest
from genai_prices.types import Usage as TheirUsage

from oco_pipelines.llm.price_catalogue import PROVIDERS, PriceRow, read_catalogue
from oco_warehouse.pricing import Price, PriceTable, Usage, price_usage

THEIR_PROVIDERS = {ours: theirs for theirs, ours in PROVIDERS.items()}
# Before and after prices changed, and when announced ones will have.
MOMENTS = [datetime(2025, 6, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)]
MOMENTS += [datetime(2027, 2, 1, tzinfo=UTC)]
# Their variant that is chosen by each of our tiers.
CONTEXTS = {
    "batch": ({"processing": "batch"},),
    "fast": ({"service_tier": "fast"}, {"speed": "fast"}),
}
BASE = {"input_tokens": 1000, "output_tokens": 500}
SHAPES: dict[str, tuple[Usage, dict[str, int]]] = {
    "text": (Usage(1000, 500), BASE),
    "reasoning": (Usage(1000, 500, reasoning_tokens=300), BASE),
    "read": (Usage(1000, 500, cached_input_tokens=300), {**BASE, "cache_read_tokens": 300}),
    "written": (
        Usage(1000, 500, cached_input_tokens=300, cache_write_tokens=200),
        {**BASE, "cache_read_tokens": 300, "cache_write_tokens": 200},
    ),
    "at the bound": (Usage(200_000, 9), {"input_tokens": 200_000, "output_tokens": 9}),
    "above it": (
        Usage(200_001, 9, cached_input_tokens=150_000),
        {"input_tokens": 200_001, "output_tokens": 9, "cache_read_tokens": 150_000},
    ),
    "far above": (Usage(900_000, 9), {"input_tokens": 900_000, "output_tokens": 9}),
    "sounds": (
        Usage(
            1000,
            500,
            cached_input_tokens=100,
            audio_input_tokens=400,
            audio_output_tokens=100,
            media={"cached_audio_input": 60},
        ),
        {
            **BASE,
            "cache_read_tokens": 100,
            "cache_audio_read_tokens": 60,
            "input_audio_tokens": 460,
            "output_audio_tokens": 100,
        },
    ),
    "images": (
        Usage(
            1000,
            500,
            cached_input_tokens=100,
            media={"image_input": 300, "image_output": 400, "cached_image_input": 50},
        ),
        {
            **BASE,
            "cache_read_tokens": 100,
            "cache_image_read_tokens": 50,
            "input_image_tokens": 350,
            "output_image_tokens": 400,
        },
    ),
    "video": (
        Usage(1000, 500, media={"video_input": 300, "video_output": 400}),
        {**BASE, "input_video_tokens": 300, "output_video_tokens": 400},
    ),
    "searches": (Usage(1000, 500, tool_uses={"web_search": 3}), {**BASE, "web_searches": 3}),
    "file searches": (
        Usage(1000, 500, tool_uses={"file_search": 3}),
        {**BASE, "storage_searches": 3},
    ),
}


def price(row: PriceRow) -> Price:
    amounts: dict[str, Any] = {"input": None, "output": None, **row.prices}
    since = row.effective_from if isinstance(row.effective_from, datetime) else None
    return Price(
        provider=row.provider,
        model=row.model,
        price_version="catalogue",
        service_tier=row.service_tier,
        min_context_tokens=row.min_context_tokens,
        effective_from=since,
        tool_prices=row.tools,
        media_prices=row.media,
        **amounts,
    )


@cache
def table() -> PriceTable:
    return PriceTable(map(price, read_catalogue()))


@cache
def priced(provider: str) -> list[tuple[str, str]]:
    """(model, tier) of everything in the catalogue that has a price by the token."""
    return sorted({
        (row.model, row.service_tier)
        for row in read_catalogue()
        if row.provider == provider and "input" in row.prices
    })  # fmt: skip


def theirs(provider: str, model: str, tier: str, usage: dict[str, int], at: datetime) -> Decimal:
    contexts = () if tier == "standard" else CONTEXTS.get(tier, ({"service_tier": tier},))
    context = {key: value for one in contexts for key, value in one.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = genai_prices.calc_price(
            TheirUsage(**usage),
            model,
            provider_id=THEIR_PROVIDERS[provider],
            genai_request_timestamp=at,
            price_context=context or None,
        )
    return found.total_price


@pytest.mark.parametrize("at", MOMENTS, ids=lambda at: str(at.year))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("provider", sorted(PROVIDERS.values()))
def test_every_model_and_tier_costs_what_genai_prices_says(
    provider: str, shape: str, at: datetime
) -> None:
    ours, usage = SHAPES[shape]
    compared = 0
    for model, tier in priced(provider):
        found = table().find(provider, (model,), at, tier)
        if model.startswith("ft:") or found is None or not found.tier_known:
            continue
        cost = price_usage(found, ours).cost_usd
        if cost is None:
            # A model without a price for output: what it would give is unknown, not free.
            assert found.tiers[0].output is None
            continue
        assert (model, tier, cost) == (model, tier, theirs(provider, model, tier, usage, at))
        compared += 1
    assert compared > 20


def test_hour_long_cache_writes_cost_what_genai_prices_says_wherever_they_have_a_price() -> None:
    usage = Usage(1000, 500, cache_write_tokens=200, cache_write_1h_tokens=50)
    same = {**BASE, "cache_write_tokens": 200, "cache_write_1h_tokens": 50}
    exact = 0
    for provider in ("anthropic", "openai"):
        for model, tier in priced(provider):
            found = table().find(provider, (model,), MOMENTS[1], tier)
            if model.startswith("ft:") or found is None or not found.tier_known:
                continue
            cost = price_usage(found, usage)
            if found.tiers[0].cache_write is not None and found.tiers[0].cache_write_1h is None:
                # What OpenAI's 12 hours cost is not known: they are not said to be exact.
                assert cost.status == "estimated"
            elif cost.cost_usd is not None:
                assert cost.cost_usd == theirs(provider, model, tier, same, MOMENTS[1])
                exact += 1
    assert exact > 20


@pytest.mark.parametrize(
    ("model", "second"), [("whisper-1", "0.0001"), ("gpt-transcribe", "0.000075")]
)
def test_sound_is_billed_by_the_second_and_tokens_there_are_unpriced_not_free(
    model: str, second: str
) -> None:
    found = table().find("openai", (model,), MOMENTS[1])
    cost = price_usage(found, Usage(0, 0, tool_uses={"audio_second": 90}))
    assert (cost.cost_usd, cost.status) == (90 * Decimal(second), "exact")
    hour = theirs("openai", model, "standard", {"audio_seconds": 90}, MOMENTS[1])
    assert cost.cost_usd == hour
    assert price_usage(found, Usage(1000, 500)).cost_usd is None
    assert theirs("openai", model, "standard", BASE, MOMENTS[1]) == 0


def test_a_fine_tuned_model_is_priced_where_genai_prices_finds_none() -> None:
    assert table().find("openai", ("ft:gpt-4o",), MOMENTS[1]) is not None
    with pytest.raises(LookupError):
        theirs("openai", "ft:gpt-4o", "standard", BASE, MOMENTS[1])


def test_a_part_above_its_whole_is_charged_where_genai_prices_raises() -> None:
    found = table().find("openai", ("gpt-4o-mini",), MOMENTS[1])
    cost = price_usage(found, Usage(100, 0, cached_input_tokens=200)).cost_usd
    assert cost == 200 * Decimal("0.075") / 1_000_000
    with pytest.raises(ValueError, match="cannot exceed"):
        usage = {"input_tokens": 100, "output_tokens": 0, "cache_read_tokens": 200}
        theirs("openai", "gpt-4o-mini", "standard", usage, MOMENTS[1])


def test_the_tiers_that_a_project_can_be_set_to_are_never_cheaper_than_those_by_name_alone() -> (
    None
):
    # A call that names no tier is held for at the dearest one but `fast`.
    for provider in ("openai",):
        for model, tier in priced(provider):
            fast = table().find(provider, (model,), MOMENTS[1], "fast") if tier == "fast" else None
            if fast is None:
                continue
            priority = table().find(provider, (model,), MOMENTS[1], "priority")
            assert priority is not None and priority.tier_known
            for tokens in (1000, 500_000):
                usage = Usage(tokens, 1000)
                ours, other = (price_usage(one, usage).cost_usd for one in (fast, priority))
                assert ours is not None and other is not None and ours <= other
