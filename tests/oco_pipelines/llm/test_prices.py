"""Prices of models: read exactly, kept with their history, never rewritten."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.price_catalogue import ALWAYS, PriceRow, model_rows, read_catalogue
from oco_pipelines.llm.price_history import changes
from oco_pipelines.llm.price_store import read_prices, refresh_prices
from oco_warehouse.database import Warehouse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = PriceRow("openai", "m", ALWAYS, "standard", 0, {"input": Decimal(1)}, {})
DEARER = replace(OLD, prices={"input": Decimal(2)})


def test_the_catalogue_has_the_models_that_the_gateway_knows() -> None:
    rows = {row.key: row for row in read_catalogue()}
    mini = rows[("openai", "gpt-4o-mini", ALWAYS, "standard", 0)]
    assert mini.prices["input"] == Decimal("0.15")
    assert mini.prices["output"] == Decimal("0.6")
    assert mini.prices["cached_input"] == Decimal("0.075")
    assert {row.provider for row in rows.values()} == {"openai", "anthropic", "gemini"}


def test_long_prompts_have_a_row_of_their_own() -> None:
    rows = [
        row
        for row in read_catalogue()
        if (row.provider, row.model, row.service_tier) == ("gemini", "gemini-2.5-pro", "standard")
    ]
    assert [row.min_context_tokens for row in rows] == [0, 200_000]
    assert rows[1].prices["input"] > rows[0].prices["input"]


def test_no_price_is_a_float_and_none_is_negative() -> None:
    for row in read_catalogue():
        for price in (*row.prices.values(), *row.tools.values()):
            assert isinstance(price, Decimal)
            assert price >= 0


def test_only_embeddings_answer_for_free() -> None:
    free = {
        row.model
        for row in read_catalogue()
        if row.prices.get("output") == 0 and row.prices["input"] > 0
    }
    assert free
    assert all("embedding" in model for model in free)


def test_a_new_model_is_inserted_as_the_catalogue_says() -> None:
    assert changes([OLD], [], NOW) == [OLD]


def test_an_undated_change_holds_from_now_on_and_leaves_the_past_alone() -> None:
    (written,) = changes([DEARER], [OLD], NOW)
    assert written.effective_from == NOW
    assert written.prices == DEARER.prices


def test_a_change_is_written_once() -> None:
    first = changes([DEARER], [OLD], NOW)
    later = datetime(2026, 11, 24, tzinfo=UTC)
    assert changes([DEARER], [OLD, *first], later) == []


def test_a_price_of_the_future_can_still_be_corrected() -> None:
    future = replace(DEARER, effective_from=datetime(2027, 1, 1, tzinfo=UTC))
    corrected = replace(future, prices={"input": Decimal(3)})
    assert changes([OLD, corrected], [OLD, future], NOW) == [corrected]


def test_a_context_tier_that_vanishes_ends_with_the_new_set() -> None:
    long = replace(OLD, min_context_tokens=200_000, prices={"input": Decimal(5)})
    assert changes([OLD], [OLD, long], NOW) == [replace(OLD, effective_from=NOW)]


PRICES = st.decimals(0, 1000, places=6).map(lambda price: {"input": price})
MOMENTS = st.sampled_from(
    [ALWAYS, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
)
ROWS = st.lists(
    st.builds(
        replace,
        st.just(OLD),
        effective_from=MOMENTS,
        prices=PRICES,
        min_context_tokens=st.sampled_from([0, 1000]),
    ),
    max_size=5,
    unique_by=lambda row: row.key,
)


@given(catalogue=ROWS, before=ROWS)
def test_writing_the_changes_leaves_nothing_to_change(
    catalogue: list[PriceRow], before: list[PriceRow]
) -> None:
    table = {row.key: row for row in before}
    table |= {row.key: row for row in changes(catalogue, before, NOW)}
    assert changes(catalogue, table.values(), NOW) == []


@given(catalogue=ROWS, before=ROWS)
def test_no_price_of_the_past_is_ever_rewritten(
    catalogue: list[PriceRow], before: list[PriceRow]
) -> None:
    past = {
        row.key
        for row in before
        if not isinstance(row.effective_from, datetime) or row.effective_from <= NOW
    }
    assert not past & {row.key for row in changes(catalogue, before, NOW)}


def test_the_table_holds_the_catalogue_exactly_and_a_second_run_writes_nothing(
    warehouse: Warehouse,
) -> None:
    catalogue = read_catalogue()
    assert refresh_prices(warehouse, NOW) == len(catalogue)
    with warehouse.transaction() as connection:
        table = {row.key: row for row in read_prices(connection)}
    assert table == {row.key: row for row in catalogue}
    assert refresh_prices(warehouse, NOW) == 0


def test_every_service_tier_that_the_catalogue_prices_has_rows() -> None:
    tiers: dict[str, set[str]] = {}
    for row in read_catalogue():
        tiers.setdefault(row.provider, set()).add(row.service_tier)
    assert tiers["openai"] >= {"standard", "batch", "flex", "priority", "fast"}
    assert tiers["anthropic"] >= {"standard", "batch", "fast"}
    assert tiers["gemini"] >= {"standard", "batch", "flex", "priority"}


def test_a_tier_follows_the_standard_price_that_held_at_its_moment() -> None:
    dear, cheap = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)

    def dated(moment: datetime | None, **prices: str) -> Any:
        amounts = ModelPrice(**{key: Decimal(value) for key, value in prices.items()})
        constraint = None if moment is None else StartDateConstraint(moment.date())
        return ConditionalPrice(constraint=constraint, prices=amounts)

    def variant(moment: datetime, tier: str, **prices: str) -> PriceVariant:
        one = dated(moment, **prices)
        return PriceVariant(
            when={"service_tier": tier}, constraint=one.constraint, prices=one.prices
        )

    model = ModelInfo(
        id="m",
        match=ClauseEquals("m"),
        prices=[
            dated(None, input_mtok="4", cache_read_mtok="2", output_mtok="8"),
            dated(cheap, input_mtok="2", cache_read_mtok="1", output_mtok="4"),
        ],
        price_variants=[
            variant(dear, "flex", input_mtok="3"),
            variant(cheap, "flex", output_mtok="1"),
        ],
    )
    flex = [row for row in model_rows("openai", [model]) if row.service_tier == "flex"]
    assert [(row.effective_from, *map(str, row.prices.values())) for row in flex] == [
        (dear, "3", "8", "2"),
        (cheap, "3", "1", "1"),
    ]
