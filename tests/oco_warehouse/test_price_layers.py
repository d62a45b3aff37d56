"""Stated prices over the catalogue's: what wins, and what shows through."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.price_layers import overlay
from oco_warehouse.pricing import (
    Cost,
    Price,
    PriceTable,
    PriceTiers,
    Usage,
    price_usage,
    worst_case,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SEARCH = Decimal("0.01")


def known(**fields: object) -> Price:
    base: dict[str, object] = {
        "provider": "openai",
        "model": "m",
        "input": Decimal(2),
        "output": Decimal(8),
        "price_version": "catalogue",
        "cached_input": Decimal("0.5"),
        "tool_prices": {"web_search": SEARCH},
        "media_prices": {"image_input": Decimal(3)},
    }
    return Price(**{**base, **fields})  # type: ignore[arg-type]


def said(**fields: object) -> Price:
    base: dict[str, object] = {
        "provider": "openai",
        "model": "m",
        "input": Decimal(1),
        "output": Decimal(4),
        "price_version": "override",
    }
    return Price(**{**base, **fields})  # type: ignore[arg-type]


def tiers(
    catalogue: Sequence[Price],
    stated: Sequence[Price],
    at: datetime = NOW,
    service_tier: str | None = None,
    model: str = "m",
) -> PriceTiers:
    found = PriceTable(overlay(catalogue, stated)).find("openai", (model,), at, service_tier)
    assert found is not None
    return found


def cost(prices: PriceTiers, usage: Usage) -> Cost:
    return price_usage(prices, usage)


def test_a_stated_price_wins_and_what_it_leaves_unsaid_is_the_catalogues() -> None:
    prices = tiers([known()], [said()])
    usage = Usage(1_000_000, 0, cached_input_tokens=400_000, tool_uses={"web_search": 2}, media={})
    # 600k at 1 and 400k read from the cache at 0.5, and two searches
    assert cost(prices, usage).cost_usd == Decimal("0.82")
    assert (cost(prices, usage).status, cost(prices, usage).price_version) == ("exact", "override")
    assert prices.at(1).media_price("image_input") == 3
    assert worst_case(prices, 1_000_000, 0, 2) == 3_020_000_000


def test_tools_and_media_that_are_stated_win_one_by_one() -> None:
    stated = said(
        tool_prices={"code_interpreter": Decimal("0.03")},
        media_prices={"image_input": Decimal(0), "image_output": Decimal(9)},
    )
    price = tiers([known()], [stated]).at(1)
    assert price.tool_prices == {"web_search": SEARCH, "code_interpreter": Decimal("0.03")}
    assert price.media_prices == {"image_input": Decimal(0), "image_output": Decimal(9)}


def test_a_fee_of_nothing_is_stated_and_one_left_out_is_the_catalogues() -> None:
    catalogue = [known(per_request=Decimal("0.01"))]
    usage = Usage(10, 10)
    free = {"input": Decimal(0), "output": Decimal(0), "cached_input": Decimal(0)}
    nothing = said(**free, per_request=Decimal(0))
    assert cost(tiers(catalogue, [nothing]), usage).cost_usd == 0
    assert worst_case(tiers(catalogue, [nothing]), 0, 10) == 0
    assert cost(tiers(catalogue, [said(**free)]), usage).cost_usd == Decimal("0.01")
    dearer = said(**free, per_request=Decimal("0.02"))
    assert cost(tiers(catalogue, [dearer]), usage).cost_usd == Decimal("0.02")
    assert tiers([known(tool_prices={}, media_prices={})], [nothing]).is_free


def test_a_context_tier_that_is_not_named_keeps_the_catalogues_price() -> None:
    catalogue = [known(), known(min_context_tokens=200_000, input=Decimal(5))]
    prices = tiers(catalogue, [said(effective_from=NOW)])
    assert cost(prices, Usage(200_000, 0)).cost_usd == Decimal("0.2")
    high = cost(prices, Usage(300_000, 0))
    assert (high.cost_usd, high.price_version) == (Decimal("1.5"), "catalogue")
    both = tiers(catalogue, [said(), said(min_context_tokens=200_000)])
    assert cost(both, Usage(300_000, 0)).cost_usd == Decimal("0.3")
    between = tiers(catalogue, [said(min_context_tokens=100_000)])
    assert [between.at(size).input for size in (100_000, 100_001, 200_001)] == [2, 1, 5]


def test_a_stated_price_holds_from_its_moment_until_the_next_stated_one() -> None:
    days = [NOW + timedelta(days=n) for n in range(4)]
    catalogue = [known(), known(effective_from=days[2], input=Decimal(9), tool_prices={})]
    stated = [said(effective_from=days[1]), said(effective_from=days[3], input=Decimal(7))]
    found = [tiers(catalogue, stated, day).at(1) for day in days]
    assert [price.input for price in found] == [2, 1, 1, 7]
    # The catalogue goes on underneath.
    assert [bool(price.tool_prices) for price in found] == [True, True, False, False]


def test_an_undated_price_wins_over_the_catalogues_whole_history() -> None:
    catalogue = [known(), known(effective_from=NOW)]
    assert tiers(catalogue, [said()], NOW + timedelta(days=1)).at(1).input == 1


def test_a_service_tier_that_only_a_person_knows_stands_on_the_standard_one() -> None:
    catalogue = [known(), known(min_context_tokens=100)]
    us = said(
        service_tier="us",
        cached_input=Decimal("0.2"),
        media_prices={"image_input": Decimal(4)},
        effective_from=NOW,
    )
    prices = tiers(catalogue, [us], service_tier="us")
    searched = cost(prices, Usage(50, 1, tool_uses={"web_search": 1}))
    assert (searched.status, searched.price_version) == ("exact", "override")
    assert searched.cost_usd == Decimal("0.010054")
    before = tiers(catalogue, [us], NOW - timedelta(days=1), service_tier="us")
    assert not before.tier_known


def test_what_another_service_tier_lends_makes_a_cost_an_estimate() -> None:
    catalogue = [known(), known(min_context_tokens=100)]
    partly = said(service_tier="us", cached_input=Decimal("0.2"))
    whole = replace(partly, media_prices={"image_input": Decimal(4)})
    found = [tiers(catalogue, [stated], service_tier="us") for stated in (partly, whole)]
    assert [cost(prices, Usage(50, 1)).status for prices in found] == ["estimated", "exact"]
    assert [cost(prices, Usage(200, 1)).status for prices in found] == ["estimated"] * 2


def test_a_snapshot_that_only_a_person_knows_stands_on_its_family() -> None:
    snapshot = said(model="m-2026-01-01", effective_from=NOW)
    catalogue = [known(), known(service_tier="flex", input=Decimal(1))]
    found = tiers(catalogue, [snapshot], model="m-2026-01-01")
    assert (found.at(1).input, dict(found.at(1).tool_prices)) == (1, {"web_search": SEARCH})
    before = tiers(catalogue, [snapshot], NOW - timedelta(days=1), model="m-2026-01-01")
    assert before.at(1).input == 2
    flex = tiers(catalogue, [snapshot], service_tier="flex", model="m-2026-01-01")
    assert flex.tier_known and flex.at(1).input == 1
    assert tiers(catalogue, [snapshot]).at(1).input == 2


SNAPSHOT = "m-2026-01-01"


def test_what_is_stated_for_a_family_holds_for_its_snapshots_from_its_moment_on() -> None:
    catalogue = [known(), known(model=SNAPSHOT, input=Decimal(3), cached_input=Decimal(1))]
    stated = [said(effective_from=NOW)]
    before = tiers(catalogue, stated, NOW - timedelta(days=1), model=SNAPSHOT).at(1)
    assert (before.input, before.price_version) == (3, "catalogue")
    now = tiers(catalogue, stated, model=SNAPSHOT).at(1)
    # What the family's price leaves out is the snapshot's own.
    assert (now.input, now.cached_input, now.price_version) == (1, 1, "override")
    assert dict(now.tool_prices) == {"web_search": SEARCH}


def test_a_price_of_a_snapshots_own_wins_over_its_familys_for_what_it_is_for() -> None:
    catalogue = [known(), known(model=SNAPSHOT), known(model=SNAPSHOT, min_context_tokens=100)]
    day = timedelta(days=1)
    stated = [
        said(),
        said(min_context_tokens=100, input=Decimal(5)),
        said(service_tier="flex", input=Decimal(6)),
        said(effective_from=NOW + day, input=Decimal(7)),
        said(model=SNAPSHOT, effective_from=NOW, input=Decimal(9)),
    ]
    found = [tiers(catalogue, stated, NOW + n * day, model=SNAPSHOT) for n in (-1, 0, 1)]
    # A newer price of the family does not end the snapshot's, which says nothing of long prompts.
    assert [prices.at(1).input for prices in found] == [1, 9, 9]
    assert [prices.at(101).input for prices in found] == [5, 5, 5]
    assert tiers(catalogue, stated, service_tier="flex", model=SNAPSHOT).at(1).input == 6
    assert tiers(catalogue, stated, NOW + day).at(1).input == 7


def test_a_price_of_the_name_that_was_asked_for_wins_inside_its_family() -> None:
    catalogue = [known(), known(model="m-20260101"), known(model="m-0613"), known(model="other")]
    table = PriceTable(overlay(catalogue, [said(model="m-latest", effective_from=NOW)]))

    def version(served: str, at: datetime = NOW) -> str:
        found = table.find("openai", (served, "m-latest"), at)
        assert found is not None
        return found.at(1).price_version

    assert [version(name) for name in ("m", "m-20260101", "m-0613", "m-latest")] == ["override"] * 4
    assert version("m-20260101", NOW - timedelta(days=1)) == "catalogue"
    # Where another model answers, it is that one's price.
    assert version("other") == "catalogue"


def test_what_may_answer_a_family_is_its_snapshots_and_a_snapshot_answers_for_itself() -> None:
    dear = known(model=SNAPSHOT, input=Decimal(30))
    table = PriceTable([known(), dear, known(model="m-0613", output=Decimal(80)), known(model="n")])
    inputs = [
        {prices.at(1).input for prices in table.possible("openai", name, NOW)}
        for name in ("m", SNAPSHOT, "n")
    ]
    assert inputs == [{2, 30}, {30}, {2}]
    # An answer that names only the family is of the snapshot that was asked for.
    found = table.find("openai", ("m", SNAPSHOT), NOW)
    assert found is not None and found.at(1).input == 30


def test_a_model_that_only_a_person_knows_has_what_was_stated() -> None:
    prices = tiers([], [said()])
    assert prices.at(1) == said()
    assert (
        PriceTable(overlay([], [said(effective_from=NOW)])).find(
            "openai", ("m",), NOW - timedelta(days=1)
        )
        is None
    )


PRICES = st.none() | st.integers(0, 9).map(Decimal)
MOMENTS = st.sampled_from([None, NOW - timedelta(days=9), NOW + timedelta(days=9)])
ROWS = st.lists(
    st.builds(
        known,
        effective_from=MOMENTS,
        service_tier=st.sampled_from(["standard", "flex"]),
        min_context_tokens=st.sampled_from([0, 1000]),
        input=st.integers(0, 9).map(Decimal),
        cached_input=PRICES,
        tool_prices=st.dictionaries(st.sampled_from("ab"), st.just(SEARCH)),
    ),
    max_size=6,
    unique_by=lambda p: (p.effective_from, p.service_tier, p.min_context_tokens),
)


@given(catalogue=ROWS)
def test_without_stated_prices_the_catalogue_is_as_it_was(catalogue: list[Price]) -> None:
    assert list(overlay(catalogue, [])) == catalogue


@given(catalogue=ROWS, stated=ROWS, day=st.integers(-20, 20))
def test_nothing_that_had_a_price_loses_it_by_stating_another(
    catalogue: list[Price], stated: list[Price], day: int
) -> None:
    at = NOW + timedelta(days=day)
    below, above = PriceTable(catalogue), PriceTable(overlay(catalogue, stated))
    for tier in ("standard", "flex"):
        before, after = (table.find("openai", ("m",), at, tier) for table in (below, above))
        if before is None:
            continue
        assert after is not None
        for size in (1, 1001):
            old, new = before.at(size), after.at(size)
            assert old.tool_prices.keys() <= new.tool_prices.keys()
            assert old.cached_input is None or new.cached_input is not None
