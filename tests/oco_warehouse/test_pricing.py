from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.money import to_nano
from oco_warehouse.pricing import (
    Price,
    PriceTable,
    PriceTiers,
    Usage,
    price_usage,
    unpriced_tool,
    worst_case,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def price(**fields: object) -> Price:
    base: dict[str, object] = {
        "provider": "openai",
        "model": "m",
        "input": Decimal("2.5"),
        "output": Decimal(10),
        "price_version": "v1",
    }
    return Price(**{**base, **fields})  # type: ignore[arg-type]


def tiers(*prices: Price) -> PriceTiers:
    return PriceTiers(prices)


def test_cached_input_and_reasoning_are_priced_inside_their_wholes() -> None:
    usage = Usage(1000, 500, cached_input_tokens=400, reasoning_tokens=100)
    cost = price_usage(tiers(price(cached_input=Decimal("1.25"), reasoning=Decimal(20))), usage)
    # 600 × 2.5 + 400 × 1.25 and 400 × 10 + 100 × 20, per million
    assert cost.input_cost_usd == Decimal("0.002")
    assert cost.output_cost_usd == Decimal("0.006")
    assert cost.cost_usd == Decimal("0.008")
    assert (cost.status, cost.price_version) == ("exact", "v1")


def test_cache_writes_are_priced_by_how_long_they_live() -> None:
    usage = Usage(1000, 0, cache_write_tokens=600, cache_write_1h_tokens=100)
    dear = price(cache_write=Decimal(5), cache_write_1h=Decimal(8))
    # 400 × 2.5 + 500 × 5 + 100 × 8
    assert price_usage(tiers(dear), usage).cost_usd == Decimal("0.0043")


def test_parts_without_a_price_of_their_own_cost_what_their_whole_costs() -> None:
    usage = Usage(
        1000,
        100,
        cached_input_tokens=300,
        cache_write_tokens=200,
        audio_input_tokens=100,
        reasoning_tokens=40,
        audio_output_tokens=10,
    )
    assert price_usage(tiers(price()), usage) == price_usage(tiers(price()), Usage(1000, 100))


def test_an_unknown_price_is_unpriced_and_never_zero() -> None:
    cost = price_usage(None, Usage(10, 10))
    assert (cost.cost_usd, cost.input_cost_usd, cost.status) == (None, None, "unpriced")
    assert price_usage(tiers(price(output=None)), Usage(10, 10)).cost_usd is None
    assert price_usage(tiers(price()), Usage(None, 10)).status == "unpriced"


def test_a_missing_output_price_does_not_matter_where_nothing_was_put_out() -> None:
    assert price_usage(tiers(price(output=None)), Usage(1_000_000, 0)).cost_usd == Decimal("2.5")


def test_the_context_tier_is_chosen_by_the_whole_prompt_and_above_is_strict() -> None:
    both = tiers(price(), price(min_context_tokens=200_000, input=Decimal(5)))
    below = price_usage(both, Usage(200_000, 0, cached_input_tokens=150_000))
    above = price_usage(both, Usage(200_001, 0, cached_input_tokens=150_000))
    assert below.cost_usd == Decimal("0.5")
    assert above.cost_usd == Decimal("1.000005")


def test_a_tool_without_a_price_makes_the_cost_an_estimate() -> None:
    priced = price(tool_prices={"web_search": Decimal("0.01")}, per_request=Decimal("0.002"))
    known = price_usage(tiers(priced), Usage(0, 0, tool_uses={"web_search": 3}))
    unknown = price_usage(tiers(priced), Usage(0, 0, tool_uses={"code": 1}))
    assert (known.cost_usd, known.status) == (Decimal("0.032"), "exact")
    assert (unknown.cost_usd, unknown.status) == (Decimal("0.002"), "estimated")


def test_a_price_holds_from_its_date_until_the_next() -> None:
    table = PriceTable(
        [
            price(),
            price(effective_from=NOW, input=Decimal(3)),
            price(effective_from=NOW + timedelta(days=9), input=Decimal(4)),
        ]
    )
    found = [table.find("openai", ["m"], NOW + timedelta(days=days)) for days in (-1, 0, 8, 9)]
    assert [tier.at(1).input for tier in found if tier] == [Decimal(p) for p in ("2.5", 3, 3, 4)]


def test_a_dated_snapshot_takes_the_price_of_its_family_only_without_one_of_its_own() -> None:
    table = PriceTable([price(), price(model="m-2024-05-13", input=Decimal(5))])
    names = ["m-2024-05-13", "m-2024-08-06", "m-20250101"]
    found = [table.find("openai", [name], NOW) for name in names]
    assert [tier.at(1).input for tier in found if tier] == [
        Decimal(5),
        Decimal("2.5"),
        Decimal("2.5"),
    ]
    assert table.find("openai", ["n"], NOW) is None
    assert table.find("other", ["m"], NOW) is None


def test_an_unknown_service_tier_is_priced_as_standard_and_says_so() -> None:
    table = PriceTable([price(), price(service_tier="flex", input=Decimal(1))])
    flex = table.find("openai", ["m"], NOW, "flex")
    priority = table.find("openai", ["m"], NOW, "priority")
    assert flex is not None and priority is not None
    assert price_usage(flex, Usage(1_000_000, 0)).cost_usd == Decimal(1)
    assert price_usage(flex, Usage(1, 0)).status == "exact"
    assert price_usage(priority, Usage(1, 0)).status == "estimated"
    default = table.find("openai", ["m"], NOW, "default")
    assert default is not None and default.tier_known


money = st.decimals(min_value=0, max_value=1000, places=6)


@given(st.integers(0, 2_000_000), st.integers(0, 200_000), st.data(), money, money, money, money)
def test_no_call_costs_more_than_its_worst_case(
    inputs: int, outputs: int, data: st.DataObject, a: Decimal, b: Decimal, c: Decimal, d: Decimal
) -> None:
    cached = data.draw(st.integers(0, inputs))
    written = data.draw(st.integers(0, inputs - cached))
    usage = Usage(
        inputs,
        outputs,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=data.draw(st.integers(0, outputs)),
    )
    both = tiers(
        price(input=a, output=b, cached_input=a / 2, cache_write=c),
        price(input=a * 2, output=b * 2, cache_write=d, reasoning=c, min_context_tokens=1000),
    )
    cost = price_usage(both, usage)
    worst = worst_case(both, inputs + data.draw(st.integers(0, 10)), outputs)
    assert cost.cost_usd is not None and worst is not None
    assert to_nano(cost.cost_usd) <= worst
    assert cost.input_cost_usd is not None and cost.output_cost_usd is not None
    assert cost.cost_usd == cost.input_cost_usd + cost.output_cost_usd


def test_a_worst_case_is_rounded_up_to_whole_nano_dollars() -> None:
    odd = tiers(price(input=Decimal("0.0001"), output=Decimal("0.00000001")))
    # 3 × 10⁻¹⁰ and 10⁻¹⁴ dollars
    assert worst_case(odd, 3, 1) == 1
    assert worst_case(odd, 10_000, 0) == 1000
    assert worst_case(odd, 10_000, 1) == 1001


@pytest.mark.parametrize("amounts", [(None, 1), (1, None)])
def test_a_model_with_half_a_price_has_no_worst_case(
    amounts: tuple[int | None, int | None],
) -> None:
    a, b = (None if amount is None else Decimal(amount) for amount in amounts)
    assert worst_case(tiers(price(input=a, output=b)), 10, 10) is None


def test_a_call_that_leaves_the_tier_open_may_be_served_by_any() -> None:
    table = PriceTable([
        price(),
        price(service_tier="priority", input=Decimal(5), output=Decimal(20)),
        price(service_tier="flex", input=Decimal(1), output=Decimal(5)),
    ])  # fmt: skip

    def possible(tier: str | None) -> set[Decimal | None]:
        return {found.tiers[0].output for found in table.possible("openai", "m", NOW, tier)}

    assert possible(None) == possible("auto") == {Decimal(10), Decimal(20), Decimal(5)}
    assert possible("default") == {Decimal(10)}
    # What was served may differ from what was asked for: the standard tier stands in for any other.
    assert possible("flex") == {Decimal(5), Decimal(10)}
    assert table.possible("openai", "unknown", NOW) == []


def test_a_tool_that_may_run_without_a_price_has_no_worst_case() -> None:
    searching = price(tool_prices={"web_search": Decimal("0.01")})
    assert worst_case(tiers(searching), 0, 0, 32, {"web_search"}) == 320_000_000
    assert worst_case(tiers(searching), 0, 0, 32, {"web_search", "image_generation"}) is None
    assert unpriced_tool(tiers(searching), {"web_search", "image_generation"}) == "image_generation"
    # What one context tier alone does not price has no price.
    above = price(min_context_tokens=1000)
    assert worst_case(PriceTiers((searching, above)), 0, 0, 1, {"web_search"}) is None


def test_the_worst_case_counts_the_dearest_tool_for_every_use() -> None:
    dear = tiers(price(tool_prices={"a": Decimal("0.01"), "b": Decimal("0.03")}))
    assert worst_case(dear, 0, 0, 10) == 300_000_000


def test_media_are_priced_inside_their_wholes() -> None:
    media = {
        "image_input": Decimal(8),
        "image_output": Decimal(32),
        "cached_image_input": Decimal(2),
    }
    dear = tiers(price(cached_input=Decimal("1.25"), media_prices=media))
    used = {"image_input": 200, "cached_image_input": 30, "image_output": 400}
    cost = price_usage(dear, Usage(1000, 500, cached_input_tokens=100, media=used))
    # 700 × 2.5 + 200 × 8 + 70 × 1.25 + 30 × 2 and 100 × 10 + 400 × 32
    assert cost.input_cost_usd == Decimal("0.0034975")
    assert cost.output_cost_usd == Decimal("0.0138")
    plain = price_usage(tiers(price()), Usage(1000, 500, cached_input_tokens=100, media=used))
    assert plain == price_usage(tiers(price()), Usage(1000, 500))


def test_cached_sounds_without_a_cheaper_price_cost_what_sounds_cost() -> None:
    usage = Usage(1000, 0, cached_input_tokens=100, media={"cached_audio_input": 100})
    dear = price(audio_input=Decimal(32))
    assert price_usage(tiers(dear), usage).cost_usd == Decimal("0.00545")
    assert price_usage(tiers(replace(dear, cached_input=Decimal(1))), usage).cost_usd == Decimal(
        "0.00235"
    )


def test_the_worst_case_counts_media_and_free_means_free_media_too() -> None:
    media = {"video_input": Decimal(12), "image_output": Decimal(120)}
    assert worst_case(tiers(price(media_prices=media)), 100, 10) == to_nano(Decimal("0.0024"))
    free = price(input=Decimal(0), output=Decimal(0), media_prices=media)
    assert not tiers(free).is_free


def test_long_cache_writes_without_a_price_of_their_own_are_no_exact_cost() -> None:
    usage = Usage(1000, 0, cache_write_tokens=600, cache_write_1h_tokens=100)
    assert price_usage(tiers(price(cache_write=Decimal(3))), usage).status == "estimated"
    assert price_usage(tiers(price()), usage).status == "exact"


def test_a_tier_that_must_be_named_is_held_for_only_then() -> None:
    rows = [price(), price(service_tier="priority"), price(service_tier="fast")]
    table = PriceTable(rows)
    assert len(table.possible("openai", "m", NOW)) == 3  # standard twice: asked, and every tier
    named = table.possible("openai", "m", NOW, "fast")
    assert [found.tiers[0].service_tier for found in named] == ["fast", "standard"]
