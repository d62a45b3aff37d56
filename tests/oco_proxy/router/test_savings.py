"""What a row says of routing: the same words at both models' prices."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_proxy.router.routing import Routing
from oco_warehouse.pricing import Price, PriceTable, Usage, price_usage
from oco_warehouse.records import RequestRecord

AT = datetime(2026, 11, 23, tzinfo=UTC)
DEAR = Price("p", "dear", Decimal(3), Decimal(15), "t", cached_input=Decimal("0.3"))
CHEAP = Price("p", "cheap", Decimal(1), Decimal(5), "t", cached_input=Decimal("0.1"))
PRICES = PriceTable([DEAR, CHEAP])
COUNTS = st.integers(0, 10**9)


def routing(mode: Any, growth: str = "1", *, fell_back: bool = False) -> Routing:
    return Routing("id", mode, "dear", "cheap", None, Decimal(growth), b"{}", "u", fell_back)


def record(model: str, usage: Usage | None) -> RequestRecord:
    cost = price_usage(PRICES.find("p", (model,), AT), usage or Usage())
    return RequestRecord(
        id="r", provider="p", endpoint="e", model=model, original_model=model, timestamp=AT,
        status_code=200, cost_usd=cost.cost_usd, input_cost_usd=cost.input_cost_usd,
        output_cost_usd=cost.output_cost_usd, cost_status=cost.status,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
    )  # fmt: skip


@given(COUNTS, COUNTS, COUNTS)
def test_savings_and_cost_make_the_originals_price_to_the_last_digit(
    plain: int, cached: int, output: int
) -> None:
    usage = Usage(plain + cached, output, cached_input_tokens=cached)
    original = Decimal(3 * plain * 10 + 3 * cached + 150 * output) / 10_000_000
    routed = Decimal(plain * 10 + cached + 50 * output) / 10_000_000
    for mode, model in (("enforce", "cheap"), ("dry_run", "dear")):
        for known in (usage, None):  # without a usage the row's own counts are taken
            row = routing(mode).stamp(record(model, usage), known, PRICES, AT)
            assert row.savings_usd == original - routed
            assert (row.was_routed, row.routed_model) == (mode == "enforce", "cheap")
            assert (row.original_model, row.routing_policy_id) == ("dear", "id")


def test_the_same_words_are_other_tokens_to_another_tokenizer() -> None:
    row = routing("enforce", "1.3").stamp(record("cheap", Usage(1300, 130)), None, PRICES, AT)
    assert row.savings_usd == Decimal("0.0045") - Decimal("0.00195")
    row = routing("dry_run", "1.3").stamp(record("dear", Usage(1000, 100)), None, PRICES, AT)
    assert row.savings_usd == Decimal("0.0045") - Decimal("0.00195")


@pytest.mark.parametrize("mode", ["enforce", "dry_run"])
def test_what_is_not_known_is_no_saving(mode: Any) -> None:
    unknown = routing(mode).stamp(record("cheap", None), None, PRICES, AT)
    assert unknown.savings_usd is None and unknown.routed_model == "cheap"
    row = routing(mode).stamp(record("cheap", Usage(1, 1)), None, PriceTable(()), AT)
    assert row.savings_usd is None


def test_a_call_that_fell_back_names_the_policy_and_nothing_else() -> None:
    row = routing("enforce", fell_back=True).stamp(record("dear", Usage(9, 9)), None, PRICES, AT)
    assert (row.was_routed, row.routed_model, row.savings_usd) == (False, None, None)
    assert (row.original_model, row.routing_policy_id) == ("dear", "id")
