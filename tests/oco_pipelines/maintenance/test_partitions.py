"""Partitions are made ahead and dropped after retention."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.maintenance.partitions import (
    MONTHS_AHEAD,
    keep_from,
    maintain_partitions,
    month_offset,
)
from oco_warehouse.database import Warehouse, ensure_partitions

TODAY = date(2031, 5, 31)


def partitions(warehouse: Warehouse) -> set[str]:
    rows = warehouse.query("""
        SELECT inhrelid::regclass::text AS name FROM pg_inherits
        WHERE inhparent IN ('oco.api_requests'::regclass, 'oco.cloud_costs'::regclass)
    """)
    return {row["name"] for row in rows}


@given(day=st.dates(date(1, 12, 31), date(9000, 1, 1)), months=st.integers(-11, 11))
def test_month_offset_counts_months(day: date, months: int) -> None:
    moved = month_offset(day, months)
    assert moved.day == 1
    assert (moved.year - day.year) * 12 + moved.month - day.month == months


def test_retention_keeps_whole_months_beside_the_current_one() -> None:
    assert keep_from(date(2026, 3, 31), 1) == date(2026, 2, 1)
    assert keep_from(date(2026, 3, 1), 13) == date(2025, 2, 1)
    assert keep_from(date(2026, 3, 1), 0) is None
    with pytest.raises(ValueError, match="negative"):
        keep_from(date(2026, 3, 1), -1)


def test_the_coming_months_are_made_once(warehouse: Warehouse) -> None:
    made = maintain_partitions(warehouse, TODAY, 0).made
    assert len(made) == 2 * (MONTHS_AHEAD + 1)
    assert "oco.cloud_costs_p2031_08" in partitions(warehouse)
    again = maintain_partitions(warehouse, TODAY, 0)
    assert (list(again.made), list(again.dropped)) == ([], [])


def test_without_retention_nothing_is_ever_dropped(warehouse: Warehouse) -> None:
    before = partitions(warehouse)
    assert not maintain_partitions(warehouse, TODAY + timedelta(days=36_500), 0).dropped
    assert before <= partitions(warehouse)


def test_retention_drops_only_months_that_are_wholly_over(warehouse: Warehouse) -> None:
    with warehouse.transaction() as connection:
        ensure_partitions(connection, "cloud_costs", date(2031, 1, 1), date(2031, 5, 1))
    dropped = maintain_partitions(warehouse, TODAY, 2).dropped
    left = partitions(warehouse)
    assert "oco.cloud_costs_p2031_02" not in left
    assert {"oco.cloud_costs_p2031_03", "oco.cloud_costs_default"} <= left
    assert "cloud_costs_p2031_02" in dropped
