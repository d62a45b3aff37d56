"""A price that is called never dearer is never dearer, and one that is, in any part, is found."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.router.dominance import covers_cached, never_dearer
from oco_warehouse.pricing import Price, PriceTiers, Usage, price_usage

PARTS = ("cached_input", "cache_write", "cache_write_1h", "reasoning", "audio_input")
ALL = (*PARTS, "audio_output", "input", "output", "per_request")
DOLLARS = st.sampled_from([Decimal(n) for n in ("0.5", "1", "2", "3")])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[PriceTiers, PriceTiers]:
    """Two prices, alike but for a few parts of the first."""
    bounds = draw(st.sampled_from([(0,), (0, 100), (0, 100, 1000)]))
    both: tuple[list[Price], list[Price]] = ([], [])
    for bound in bounds:
        more: dict[str, Any] = {
            name: draw(DOLLARS) for name in (*PARTS, "audio_output") if draw(st.booleans())
        }
        other = Price(
            "p", "other", draw(DOLLARS), draw(DOLLARS), "t", min_context_tokens=bound,
            per_request=draw(DOLLARS), tool_prices={"search": draw(DOLLARS)}, **more,
        )  # fmt: skip
        changes: dict[str, Any] = {
            name: draw(st.none() | DOLLARS) if name in PARTS else draw(DOLLARS)
            for name in draw(st.sets(st.sampled_from(ALL), max_size=2))
        }
        if draw(st.booleans()):
            media = draw(st.sampled_from(["image_input", "image_output", "cached_audio_input"]))
            changes["media_prices"] = {media: draw(DOLLARS)}
        if draw(st.integers(0, 4)) == 0:
            changes["tool_prices"] = {draw(st.sampled_from(["search", "code"])): draw(DOLLARS)}
        both[0].append(replace(other, model="one", **changes))
        both[1].append(other)
    one = tuple(both[0][: draw(st.integers(1, len(bounds)))])
    return PriceTiers(one), PriceTiers(tuple(both[1]))


SIZES = (0, 1, 100, 101, 1000, 1001)


def usages() -> list[Usage]:
    """One kind of token at a time, at every size at which a tier begins or ends."""
    found = [Usage(size, 0, tool_uses=uses) for size in SIZES for uses in ({}, {"search": 1000})]
    found += [Usage(0, 0, tool_uses={"code": 1000})]
    for size in SIZES:
        found += [
            Usage(size, 0, cached_input_tokens=size),
            Usage(size, 0, cache_write_tokens=size),
            Usage(size, 0, cache_write_tokens=size, cache_write_1h_tokens=size),
            Usage(size, 0, audio_input_tokens=size),
            Usage(size, 0, media={"image_input": size}),
            Usage(size, 0, cached_input_tokens=size, media={"cached_audio_input": size}),
            Usage(size, 10**7, media={"image_output": 10**7}),
            Usage(size, 10**7),
            Usage(size, 10**7, reasoning_tokens=10**7),
            Usage(size, 10**7, audio_output_tokens=10**7),
        ]
    return found


EVERY = usages()


@given(pairs())
def test_the_comparison_of_prices_is_the_comparison_of_costs(
    pair: tuple[PriceTiers, PriceTiers],
) -> None:
    one, other = pair
    dearer = []
    for usage in EVERY:
        cost, limit = price_usage(one, usage).cost_usd, price_usage(other, usage).cost_usd
        assert cost is not None and limit is not None
        if cost > limit:
            dearer.append(usage)
    if never_dearer(one, other):
        assert dearer == []
    elif not dearer:
        # Only sums can hide a dearer part: a fee or a tool outweighed by cheaper tokens.
        assert _hidden(one, other)


def _hidden(one: PriceTiers, other: PriceTiers) -> bool:
    return any(
        one.at(size).per_request < other.at(size).per_request
        or one.at(size).tool_prices != other.at(size).tool_prices
        or one.at(size).input != other.at(size).input
        for size in SIZES
    )


@pytest.mark.parametrize("part", ALL)
def test_one_dearer_part_in_one_tier_is_enough(part: str) -> None:
    parts: dict[str, Any] = {name: Decimal(2) for name in (*PARTS, "audio_output")}
    small = Price("p", "m", Decimal(2), Decimal(2), "t", per_request=Decimal(2), **parts)
    large = replace(small, min_context_tokens=100)
    other = PriceTiers((small, large))

    def with_part(amount: str) -> PriceTiers:
        changes: dict[str, Any] = {part: Decimal(amount)}
        return PriceTiers((small, replace(large, **changes)))

    dearer, cheaper = with_part("2.01"), with_part("1.99")
    assert never_dearer(other, other) and never_dearer(cheaper, other)
    assert not never_dearer(dearer, other)


@pytest.mark.parametrize(("amount", "cheaper"), [("2", True), ("2.01", False)])
def test_a_tokenizer_that_cuts_finer_makes_every_token_dearer(amount: str, cheaper: bool) -> None:
    other = PriceTiers((Price("p", "old", Decimal("2.6"), Decimal("2.6"), "t"),))
    one = PriceTiers((Price("p", "new", Decimal(amount), Decimal(2), "t"),))
    assert never_dearer(one, other, Decimal("1.3")) is cheaper
    assert never_dearer(one, other)


@pytest.mark.parametrize(("bound", "cheaper"), [(1300, True), (1299, False)])
def test_a_tier_begins_where_the_finer_tokens_reach_it(bound: int, cheaper: bool) -> None:
    low, high = Price("p", "new", Decimal(1), Decimal(1), "t"), Decimal(10)
    one = PriceTiers((low, replace(low, input=high, min_context_tokens=bound)))
    flat = Price("p", "old", Decimal(2), Decimal(2), "t")
    other = PriceTiers((flat, replace(flat, input=Decimal(20), min_context_tokens=1000)))
    assert never_dearer(one, other, Decimal("1.3")) is cheaper


def test_a_price_with_an_unknown_part_is_not_compared() -> None:
    known = PriceTiers((Price("p", "m", Decimal(1), Decimal(1), "t"),))
    for unknown in (Price("p", "m", None, Decimal(1), "t"), Price("p", "m", Decimal(1), None, "t")):
        assert not never_dearer(PriceTiers((unknown,)), known)
        assert not never_dearer(known, PriceTiers((unknown,)))


def test_reading_anew_is_compared_with_reading_from_the_cache() -> None:
    original = PriceTiers((Price("p", "m", Decimal(9), Decimal(9), "t", cached_input=Decimal(1)),))
    for amount, covered in ((1, True), (2, False)):
        cheap = Price("p", "n", Decimal(1), Decimal(1), "t", cache_write=Decimal(amount))
        assert covers_cached(PriceTiers((cheap,)), original) is covered
