"""Commitments: break-even, the best level, and what a simulation of the history says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.optimizer.groups import DISCOUNTS, HISTORY, UNUSED, Spend
from oco_pipelines.optimizer.rules.commitment import best_commitment, commitment, simulate
from oco_pipelines.optimizer.thresholds import Commitment
from tests.oco_pipelines.optimizer.examples import spend

END = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_level_is_worth_its_price_when_it_is_busy_past_break_even() -> None:
    busy = [Decimal(1)] * 74 + [Decimal(0)] * 26
    best = best_commitment(busy, Decimal("0.27"))
    assert best is not None
    # 74 hours of a dollar are covered, and 100 × 0.73 are paid.
    assert (best.level_usd, best.saved_usd) == (1, Decimal(1))
    assert (best.busy_share, best.coverage, best.utilisation) == (
        Decimal("0.74"),
        1,
        Decimal("0.74"),
    )
    assert best_commitment([Decimal(1)] * 72 + [Decimal(0)] * 28, Decimal("0.27")) is None


def test_the_saving_of_a_month_is_the_simulations() -> None:
    (found,) = commitment(spend(), Commitment())
    assert str(found.estimated_monthly_savings) == "194.40"
    assert found.title == "Commit to $0.73 an hour of EC2 in us-east-1"
    assert found.evidence["break_even_share"] == "0.7300"


def test_the_own_discount_comes_before_the_stated_one() -> None:
    own = pl.DataFrame(
        [
            {
                "provider": "aws",
                "service": "EC2",
                "effective_usd": Decimal(60),
                "list_usd": Decimal(100),
            }
        ],
        schema=DISCOUNTS,
    )
    bill = spend()
    (found,) = commitment(Spend(bill.history, own, bill.ends), Commitment())
    # At 40 % the second dollar, busy half of the time, is still not past 60 %.
    assert str(found.estimated_monthly_savings) == "288.00"
    assert found.evidence["price_source"] == "billed"


def test_a_bill_of_days_is_simulated_by_day() -> None:
    rows = [
        {
            "provider": "gcp",
            "billing_account_id": "b",
            "service": "Compute Engine",
            "region": "global",
            "start": END - timedelta(days=day),
            "hours": 24,
            "usd": Decimal(24),
        }
        for day in range(1, 91)
    ]
    history = pl.DataFrame(rows, schema=HISTORY)
    bill = Spend(history, pl.DataFrame(schema=DISCOUNTS), {"gcp": END})
    (found,) = commitment(bill, Commitment())
    assert str(found.estimated_monthly_savings) == "201.60"  # 1 × 28 % × 720
    assert found.evidence["interval_hours"] == 24


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        # 0.73 an hour would have covered a dollar on demand: all that is there for long enough.
        ("0.73", []),
        ("0.365", ["97.20"]),  # the half of it is left: 0.5 × 27 % × 720
        ("0", ["194.40"]),
    ],
)
def test_what_commitments_leave_unused_is_used_before_another_is_bought(
    usd: str, said: list[str]
) -> None:
    bill = replace(spend(), unused=unused_rows((usd, "EC2", "us-east-1", False)))
    found = commitment(bill, Commitment())
    assert [str(one.estimated_monthly_savings) for one in found] == said


def test_commitments_for_other_use_cover_nothing_but_plans_cover_all() -> None:
    other = unused_rows(("5", "RDS", "us-east-1", False), ("5", "EC2", "eu-west-1", False))
    assert len(commitment(replace(spend(), unused=other), Commitment())) == 1
    for row in (("5", "EC2", "global", False), ("5", "Savings Plans", "eu-west-1", True)):
        assert not commitment(replace(spend(), unused=unused_rows(row)), Commitment())


def unused_rows(*rows: tuple[str, str, str, bool]) -> pl.DataFrame:
    """USD an hour, service, region, and whether it is a plan for spend."""
    return pl.DataFrame(
        [
            ("aws", "999", service, region, plan, Decimal(usd))
            for usd, service, region, plan in rows
        ],
        schema=UNUSED,
        orient="row",
    )


def test_a_short_history_and_providers_without_a_discount_say_nothing() -> None:
    assert not commitment(spend(days=88), Commitment())
    assert not commitment(spend(), Commitment(saved_share={"azure": 0.25}))


SPEND = st.lists(st.decimals(0, 100, places=2), min_size=1, max_size=60)
DISCOUNT = st.decimals("0.01", "0.99", places=2)


@given(SPEND, DISCOUNT)
def test_no_other_level_would_have_saved_more(hours: list[Decimal], discount: Decimal) -> None:
    best = best_commitment(hours, discount)
    saved = Decimal(0) if best is None else best.saved_usd
    others = [simulate(hours, level, discount).saved_usd for level in set(hours) if level > 0]
    assert saved >= max(others, default=Decimal(0)) or saved == 0 >= max(others)
    assert saved <= sum(hours)


@given(SPEND, DISCOUNT)
def test_the_best_level_is_busy_past_break_even(hours: list[Decimal], discount: Decimal) -> None:
    best = best_commitment(hours, discount)
    if best is not None:
        assert best.busy_share >= 1 - discount
        assert 0 <= best.coverage <= 1
        assert 0 <= best.utilisation <= 1
