"""Spot: groups of machines that never live long."""

from decimal import Decimal

import polars as pl

from oco_pipelines.optimizer.groups import SPOT_PRICES, Groups
from oco_pipelines.optimizer.rules.spot_instance import spot_instance
from oco_pipelines.optimizer.thresholds import Spot
from tests.oco_pipelines.optimizer.examples import group


def test_the_bills_own_spot_price_is_taken_and_interrupted_work_is_done_again() -> None:
    (found,) = spot_instance(group(), Spot())
    # 20 × 15 a month at 0.1 an hour; spot costs 0.038 / 0.95.
    assert found.estimated_monthly_savings == Decimal("180.00")
    assert found.resource.key == ("aws", "111", "autoscaling-group/render")
    assert len(found.claims) == 20


def test_without_one_the_stated_share_is() -> None:
    unpriced = Groups(group().members, pl.DataFrame(schema=SPOT_PRICES))
    (found,) = spot_instance(unpriced, Spot())
    assert found.estimated_monthly_savings == Decimal("173.68")  # 300 × (1 − 0.4 / 0.95)
    assert found.evidence["price_source"] == "percentage"


def test_few_or_long_lived_or_spot_machines_are_left_alone() -> None:
    assert not spot_instance(group(count=9), Spot())
    assert not spot_instance(group(hours=6), Spot())
    assert not spot_instance(group(interruptible=True), Spot())


def test_spot_that_costs_as_much_saves_nothing() -> None:
    dear = group().spot_prices.with_columns(spot_rate=pl.lit(Decimal("0.1"), pl.Decimal(38, 12)))
    assert not spot_instance(Groups(group().members, dear), Spot())
