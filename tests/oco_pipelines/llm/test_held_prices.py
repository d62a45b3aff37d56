"""What is held for a call is never less than what its answer is charged, whatever snapshot gave it.

Over the imported catalogue: every name that can be asked for, with every name of the same family
that an answer can bear, and any prices that a person states.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from oco_pipelines.llm.price_catalogue import PROVIDERS, read_catalogue
from oco_pipelines.llm.repricing import late_cost
from oco_warehouse.money import NANO_PER_DOLLAR
from oco_warehouse.price_layers import overlay
from oco_warehouse.pricing import Price, PriceTable, Usage, price_usage, worst_case
from tests.oco_pipelines.llm.test_price_agreement import price

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|[01]\d[0-3]\d)$")
TIERS = ["standard", "flex", "priority", "batch", "us"]


def family(name: str) -> str:
    return DATED.sub("", name.removesuffix("-latest"))


@cache
def catalogue() -> dict[tuple[str, str], list[Price]]:
    """Prices by provider and family."""
    found: dict[tuple[str, str], list[Price]] = {}
    for one in map(price, read_catalogue()):
        found.setdefault((one.provider, family(one.model)), []).append(one)
    return found


def answers(asked: str, served: str) -> bool:
    """Whether a call to one name may be answered under the other."""
    return asked == served or served == family(asked) or not DATED.search(asked)


@cache
def pairs() -> list[tuple[str, str, str]]:
    """(provider, asked, served) of the whole catalogue."""
    found = []
    for (provider, _), prices in catalogue().items():
        names = {one.model for one in prices}
        found += [(provider, a, s) for a in names for s in names if answers(a, s)]
    return sorted(found)


def held(
    table: PriceTable, pair: tuple[str, str, str], usage: Usage, tier: str | None
) -> int | None:
    """Nano-dollars, as admission holds them; None when the call is refused."""
    provider, asked, _ = pair
    amounts = [
        worst_case(
            prices,
            usage.input_tokens or 0,
            usage.output_tokens or 0,
            sum(usage.tool_uses.values()),
            usage.tool_uses.keys(),
        )
        for prices in table.possible(provider, asked, NOW, tier)
    ]
    known = [amount for amount in amounts if amount is not None]
    return max(known) if known and len(known) == len(amounts) else None


def charged(
    table: PriceTable, pair: tuple[str, str, str], usage: Usage, tier: str | None
) -> Decimal | None:
    """US dollars, as an answer is charged."""
    provider, asked, served = pair
    found = table.find(provider, (served, asked), NOW, tier)
    return price_usage(found, usage).cost_usd


AMOUNTS = st.sampled_from(["0", "0.01", "1", "3", "50"]).map(Decimal)
MAYBE = st.none() | AMOUNTS


@st.composite
def stated(draw: st.DrawFn, provider: str, names: Sequence[str]) -> list[Price]:
    rows = st.builds(
        Price,
        provider=st.just(provider),
        model=st.sampled_from(names),
        input=AMOUNTS,
        output=AMOUNTS,
        price_version=st.just("override"),
        service_tier=st.sampled_from(TIERS),
        min_context_tokens=st.sampled_from([0, 1000, 200_000]),
        effective_from=st.sampled_from([None, NOW - timedelta(days=9), NOW + timedelta(days=9)]),
        cached_input=MAYBE,
        cache_write=MAYBE,
        reasoning=MAYBE,
        audio_input=MAYBE,
        per_request=MAYBE,
        tool_prices=st.dictionaries(st.just("web_search"), AMOUNTS),
        media_prices=st.dictionaries(st.just("image_input"), AMOUNTS),
    )
    key = ("model", "service_tier", "min_context_tokens", "effective_from")
    return draw(
        st.lists(rows, max_size=4, unique_by=lambda row: tuple(getattr(row, name) for name in key))
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.sampled_from([1, 1000, 1001, 200_001, 900_000]))
    part = total // 5
    return Usage(
        total,
        draw(st.sampled_from([0, 1, 1000])),
        cached_input_tokens=draw(st.sampled_from([0, part])),
        cache_write_tokens=draw(st.sampled_from([0, part])),
        audio_input_tokens=draw(st.sampled_from([0, part])),
        tool_uses=draw(st.sampled_from([{}, {"web_search": 2}])),
        media=draw(st.sampled_from([{}, {"image_input": part}])),
    )


@settings(max_examples=400)
@given(st.data())
def test_no_answer_is_charged_more_than_was_held(data: st.DataObject) -> None:
    pair = data.draw(st.sampled_from(pairs()))
    provider, asked, served = pair
    known = catalogue()[provider, family(asked)]
    names = sorted({asked, served, family(asked), *(one.model for one in known)})
    table = PriceTable(overlay(known, data.draw(stated(provider, names))))
    usage = data.draw(usages())
    asked_tier = data.draw(st.sampled_from([None, "auto", *TIERS]))
    # Where a call leaves it open, the provider chooses; else it serves that one or the standard.
    open_ones = TIERS if asked_tier in {None, "auto"} else [asked_tier, "standard"]
    cost = charged(table, pair, usage, data.draw(st.sampled_from(open_ones)))
    hold = held(table, pair, usage, asked_tier)
    if cost is not None and hold is not None:
        assert cost * NANO_PER_DOLLAR <= hold


def test_the_catalogue_alone_holds_every_answer_of_every_name() -> None:
    table = PriceTable(one for prices in catalogue().values() for one in prices)
    usage = Usage(1000, 1000)
    compared = 0
    for pair in pairs():
        cost = charged(table, pair, usage, None)
        hold = held(table, pair, usage, None)
        if cost is not None and hold is not None:
            assert (pair, cost * NANO_PER_DOLLAR <= hold) == (pair, True)
            compared += pair[1] != pair[2]
    assert compared > 100
    assert {provider for provider, _, _ in pairs()} == set(PROVIDERS.values())


def test_a_price_stated_for_a_family_is_charged_for_each_of_its_snapshots() -> None:
    usage = Usage(10, 1000)
    compared = 0
    for provider, asked, served in pairs():
        if asked != family(asked) or asked == served:
            continue
        for amount in (Decimal("0.01"), Decimal(50)):
            own = Price(provider, asked, amount, amount, "override", per_request=Decimal(0))
            known = catalogue()[provider, asked]
            table = PriceTable(overlay(known, [own]))
            cost = price_usage(table.find(provider, (served, asked), NOW), usage)
            assert (served, cost.cost_usd, cost.price_version) == (
                served,
                1010 * amount / 1_000_000,
                "override",
            )
            row = {
                "provider": provider,
                "model": served,
                "original_model": asked,
                "routed_model": None,
                "was_routed": False,
                "timestamp": NOW,
                "service_tier": None,
                "input_tokens": 10,
                "output_tokens": 1000,
                "cached_input_tokens": 0,
                "cache_write_tokens": 0,
                "reasoning_tokens": 0,
                "error_type": None,
            }
            late = late_cost(row, table, {})
            assert late is not None and late.cost_usd == cost.cost_usd
            compared += 1
    assert compared > 100
