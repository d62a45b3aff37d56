"""Model switches: savings on the real traffic, worked out by hand, and what forbids a switch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.insights.model_switch import (
    Capability,
    Traffic,
    model_switch,
    suits,
    traffic_cost,
)
from oco_pipelines.llm.insights.model_traffic import read_models, read_price_table, read_traffic
from oco_warehouse.database import Warehouse
from oco_warehouse.pricing import Price, PriceTable

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def can(model: str, quality: int = 50, tier: str = "standard", **more: Any) -> Capability:
    values: dict[str, Any] = {
        "provider": "openai",
        "model": model,
        "tier": tier,
        "quality": quality,
        "context_tokens": 128_000,
        "max_output_tokens": 16_000,
        "tools": True,
        "images": True,
        "files": False,
        "audio": False,
        "json_output": True,
        "sampling": True,
        "thinking": 0,
        "token_percent": 100,
        "enabled": True,
    }
    return Capability(**{**values, **more})


def price(model: str, amount: str, output: str, cached: str | None = None, **more: Any) -> Price:
    return Price(
        more.pop("provider", "openai"),
        model,
        Decimal(amount),
        Decimal(output),
        "test",
        cached_input=None if cached is None else Decimal(cached),
        **more,
    )


OLD, NEW = can("old"), can("new", 55)
PRICES = [price("old", "2.5", "10", "1.25"), price("new", "2", "8", "0.5")]
TRAFFIC = Traffic(
    provider="openai",
    model="old",
    service_tier="",
    requests=1000,
    input_tokens=10_000_000,
    output_tokens=1_000_000,
    cached_input_tokens=4_000_000,
    cache_write_tokens=0,
    reasoning_tokens=0,
    longest_input=50_000,
    longest_output=4000,
    cost_usd=Decimal("29.9"),
    first_at=NOW - timedelta(days=20),
)


def judge(models: list[Capability], prices: list[Price], traffic: Traffic = TRAFFIC) -> Any:
    return model_switch([traffic], models, PriceTable(prices), NOW)


def test_savings_are_the_difference_on_the_real_tokens_caches_included() -> None:
    made = judge([OLD, NEW], PRICES)
    # Now 6M × 2.5 + 4M × 1.25 + 1M × 10 = 30; then 6M × 2 + 4M × 0.5 + 1M × 8 = 22; 8 in 20 days.
    assert made.estimated_monthly_savings == Decimal("12.00")
    assert (Decimal(made.evidence["now_usd"]), Decimal(made.evidence["then_usd"])) == (30, 22)
    assert (made.evidence["billed_usd"], made.evidence["requests"]) == ("29.9", 1000)
    assert (made.resource.provider, made.resource.resource_id) == ("openai", "old")
    assert made.title == "Use new instead of old"
    assert "27 % less" in made.description
    assert made.confidence == Decimal("0.80")


def test_a_model_that_is_cheaper_but_has_no_cache_price_may_save_nothing() -> None:
    cached = replace(TRAFFIC, cached_input_tokens=10_000_000)
    # Now 10M × 1.25 + 10 = 22.5; then 10M × 2 + 8 = 28.
    assert judge([OLD, NEW], [PRICES[0], price("new", "2", "8")], cached) is None


def test_more_tokens_for_the_same_text_are_counted() -> None:
    hungry = replace(NEW, token_percent=120)
    made = judge([OLD, hungry], PRICES)
    assert Decimal(made.evidence["then_usd"]) == Decimal("26.4")


def test_the_same_provider_comes_first_even_when_another_is_cheaper() -> None:
    other = can("far", provider="gemini")
    cheap = price("far", "0.1", "0.4", "0.01", provider="gemini")
    made = judge([OLD, NEW, other], [*PRICES, cheap])
    assert made.evidence["to_model"] == "new"
    alone = judge([OLD, other], [PRICES[0], cheap])
    assert alone.title == "Use gemini/far instead of old"
    # Nothing is cached there: 10M × 0.1 + 1M × 0.4.
    assert Decimal(alone.evidence["then_usd"]) == Decimal("1.4")
    assert alone.confidence == Decimal("0.30")


@pytest.mark.parametrize(
    "candidate",
    [
        replace(NEW, enabled=False),
        replace(NEW, images=False),
        replace(NEW, tools=False),
        replace(NEW, json_output=False),
        replace(NEW, thinking=1),
        replace(NEW, max_output_tokens=3999),
        replace(NEW, context_tokens=53_999),
        replace(NEW, token_percent=500),
        replace(NEW, quality=42),
        replace(NEW, quality=45, tier="economy"),
        replace(NEW, provider="gemini", tier="premium"),
        replace(NEW, model="unknown price"),
    ],
)
def test_what_cannot_stand_in_is_not_recommended(candidate: Capability) -> None:
    assert judge([OLD, candidate], PRICES) is None


def test_a_model_little_below_in_the_same_tier_is_less_sure() -> None:
    made = judge([OLD, replace(NEW, quality=43)], PRICES)
    assert made.confidence == Decimal("0.50")
    assert suits(OLD, replace(NEW, sampling=False), [TRAFFIC]) == Decimal("0.72")


def test_few_days_are_weak_evidence() -> None:
    young = replace(TRAFFIC, first_at=NOW - timedelta(days=7))
    assert judge([OLD, NEW], PRICES, young).confidence == Decimal("0.40")


def test_savings_below_a_dollar_a_month_or_a_tenth_are_not_worth_a_change() -> None:
    tiny = replace(TRAFFIC, input_tokens=100_000, cached_input_tokens=0, output_tokens=10_000)
    assert judge([OLD, NEW], PRICES, tiny) is None
    assert judge([OLD, NEW], [PRICES[0], price("new", "2.4", "9.5", "1.2")]) is None


def test_each_stretch_of_prompt_sizes_has_its_own_price_and_each_call_its_fixed_one() -> None:
    prices = PriceTable(
        [
            price("new", "1", "4"),
            price("new", "2", "8", min_context_tokens=200_000, per_request=Decimal("0.01")),
        ]
    )
    short = replace(TRAFFIC, requests=10, input_tokens=1_000_000, cached_input_tokens=0)
    long = replace(short, requests=4, input_tokens=1_000_000)
    # 1M × 1 + 1M × 4, and 1M × 2 + 1M × 8 + 4 × 0.01.
    assert traffic_cost([short], OLD, NEW, prices, NOW) == 5
    assert traffic_cost([short, long], OLD, NEW, prices, NOW) == Decimal("15.04")


def test_a_service_tier_without_a_price_of_its_own_forbids_the_claim() -> None:
    assert judge([OLD, NEW], PRICES, replace(TRAFFIC, service_tier="flex")) is None


TOKENS = st.integers(0, 10**9)


@given(TOKENS, TOKENS, TOKENS, st.integers(1, 10**6))
def test_no_recommendation_ever_promises_more_than_was_spent(
    input_tokens: int, output_tokens: int, cached: int, requests: int
) -> None:
    traffic = replace(
        TRAFFIC,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=min(cached, input_tokens),
        requests=requests,
    )
    made = judge([OLD, NEW], PRICES, traffic)
    if made is not None:
        now, then = Decimal(made.evidence["now_usd"]), Decimal(made.evidence["then_usd"])
        assert 0 <= then < now
        assert 1 <= made.estimated_monthly_savings <= now * 30


def test_traffic_is_read_by_model_and_stretch_of_sizes_with_snapshots_under_their_family(
    warehouse: Warehouse,
) -> None:
    warehouse.execute(
        "INSERT INTO oco.model_tiers (provider, model, tier, quality, context_tokens, "
        "max_output_tokens) VALUES ('openai', 'old', 'standard', 5, 1000000, 1000)"
    )
    warehouse.execute(
        "INSERT INTO oco.model_pricing (provider, model, min_context_tokens, input_per_m_token, "
        "output_per_m_token, price_version) VALUES ('openai', 'old', 0, 1, 1, 't'), "
        "('openai', 'old', 200000, 2, 2, 't')"
    )
    calls = [("old", 200_000), ("old-2026-01-31", 100), ("old", 200_001), ("else", 5)]
    for number, (model, tokens) in enumerate(calls):
        warehouse.execute(
            "INSERT INTO oco.api_requests (id, provider, model, input_tokens, output_tokens, "
            "cost_usd, input_cost_usd, output_cost_usd, cost_status, status_code, timestamp) "
            "VALUES (%s, 'openai', %s, %s, 7, 1, 1, 0, 'exact', 200, %s)",
            [str(number), model, tokens, NOW - timedelta(days=1)],
        )
    (rows,) = read_traffic(warehouse, NOW)
    assert sorted((row.requests, row.input_tokens, row.longest_input) for row in rows) == [
        (1, 200_001, 200_001),
        (2, 200_100, 200_000),
    ]
    (model,) = read_models(warehouse)
    cost = traffic_cost(rows, model, model, read_price_table(warehouse), NOW)
    # (200 100 + 14) × 1 + (200 001 + 7) × 2 millionths.
    assert cost == Decimal("0.60013")
