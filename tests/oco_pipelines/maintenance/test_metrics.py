from datetime import UTC, datetime, timedelta

import pytest

from oco_pipelines.maintenance.metrics import forget_metrics
from oco_warehouse.database import Warehouse

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def write(warehouse: Warehouse, ages: list[timedelta]) -> None:
    with warehouse.transaction() as connection:
        for age in ages:
            connection.execute(
                "INSERT INTO oco.resource_metrics VALUES ('aws', '1', 'i-1', 'cpu_percent', %s, "
                "3600, 1, 1, 1, 1, 'test')",
                [NOW - age],
            )


def kept(warehouse: Warehouse) -> int:
    count: int = warehouse.query("SELECT count(*) AS rows FROM oco.resource_metrics")[0]["rows"]
    return count


def test_hours_beyond_retention_end_in_steps_and_the_others_stay(warehouse: Warehouse) -> None:
    hours = [timedelta(days=400, hours=number) for number in range(-3, 8)]
    write(warehouse, hours)
    assert forget_metrics(warehouse, NOW, 400, step=3) == 7
    assert kept(warehouse) == 4


def test_no_retention_keeps_everything(warehouse: Warehouse) -> None:
    write(warehouse, [timedelta(days=4000)])
    assert forget_metrics(warehouse, NOW, 0) == 0
    assert kept(warehouse) == 1


def test_a_negative_retention_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="negative"):
        forget_metrics(warehouse, NOW, -1)
