"""What frames are read from: settled days, long charges, hours that lines count twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.optimizer.evidence import open_evidence
from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.optimizer.cloud import SETTLING_DAYS, Cloud
from tests.oco_pipelines.optimizer.world import AS_OF

LATER = AS_OF + timedelta(days=1)


@pytest.fixture
def cloud(warehouse: Warehouse) -> Cloud:
    made = Cloud(warehouse)
    made.resource("aws.ec2", "i-1", state="running", size="m5.large")
    return made


@contextmanager
def read(cloud: Cloud, now: datetime = LATER) -> Iterator[Frames]:
    with open_evidence(cloud.warehouse, Thresholds(), SETTLING_DAYS, now) as evidence:
        yield next(iter(evidence.batches()))


def costs(cloud: Cloud, identifier: str = "i-1") -> dict[str, Any]:
    with read(cloud) as frames:
        (row,) = [
            one for one in frames.costs.iter_rows(named=True) if one["resource_id"] == identifier
        ]
    return row


def test_the_newest_days_of_a_bill_are_not_believed(cloud: Cloud) -> None:
    cloud.cost("i-1", "1", days=30)
    cloud.warehouse.execute(
        "UPDATE oco.cloud_costs SET effective_cost = 1000 WHERE date >= %s",
        [AS_OF.date() - timedelta(2)],
    )
    assert (costs(cloud)["days"], costs(cloud)["billed_usd"]) == (14, 14)


def test_days_count_from_the_first_bill_and_those_without_one_after_it(cloud: Cloud) -> None:
    cloud.cost("i-other", "1", days=30)
    cloud.cost("i-1", "1", days=6, until=AS_OF - timedelta(days=4))
    # Billed from ten to five days ago; the bill has settled until two days ago.
    assert (costs(cloud)["days"], costs(cloud)["billed_days"]) == (8, 6)


def test_a_charge_of_a_month_is_laid_over_its_days(cloud: Cloud) -> None:
    cloud.cost("i-other", "1", days=30)
    cloud.cost("i-1", "62", days=32, hours=24 * 31, until=AS_OF)
    row = costs(cloud)
    assert row["days"] == 14
    assert row["billed_usd"] == Decimal(28)  # 2 dollars a day


def test_a_charge_of_more_than_a_day_counts_once_whenever_it_begins(cloud: Cloud) -> None:
    cloud.cost("i-other", "1", days=30)
    # Of 48 hours, from noon to noon: on three days.
    cloud.cost("i-1", "3", days=3, hours=48, until=AS_OF - timedelta(days=4.5))
    assert costs(cloud)["billed_days"] == 3
    assert costs(cloud)["billed_usd"] == 3


def test_hours_that_other_lines_of_a_machine_count_again_are_counted_once(cloud: Cloud) -> None:
    cloud.cost("i-1", "2.4", unit="Hrs", days=30)
    cloud.cost("i-1", "0.24", unit="Hrs", days=30)
    cloud.cost("i-1", "1", unit="GB", days=30)
    row = costs(cloud)
    assert row["hours"] == 14 * 24
    assert row["hourly_usd"] == Decimal("2.64") * 14
    assert row["billed_usd"] == Decimal("3.64") * 14


def test_corrections_and_what_is_believed_no_longer_do_not_count(cloud: Cloud) -> None:
    cloud.cost("i-1", "1", days=30)
    cloud.cost("i-1", "100", days=30)
    cloud.warehouse.execute(
        "UPDATE oco.cloud_costs SET charge_class = 'Correction' WHERE effective_cost = 100"
    )
    cloud.cost("i-1", "50", days=30)
    cloud.warehouse.execute("UPDATE oco.cloud_costs SET valid_to = now() WHERE effective_cost = 50")
    assert costs(cloud)["billed_usd"] == 14


def test_a_metric_is_one_row_a_window_with_its_days_and_percentiles(cloud: Cloud) -> None:
    cloud.metric("i-1", "cpu_percent", 1)
    cloud.warehouse.execute(
        "UPDATE oco.resource_metrics SET average = 3, maximum = 50 WHERE interval_start = %s",
        [AS_OF - timedelta(hours=1)],
    )
    with read(cloud) as frames:
        (row,) = frames.metrics.iter_rows(named=True)
    assert (row["window_days"], row["intervals"], row["seconds"]) == (14, 336, 336 * 3600)
    assert row["first_start"] == AS_OF - timedelta(days=14)
    assert (row["lowest"], row["highest"], row["peak"]) == (1, 3, 50)
    assert (row["highest_day"], row["highest_day_amount"]) == (26, 26 * 3600)
    assert row["p99"] == 1


def test_metrics_that_lie_behind_say_until_when_everything_is_judged(cloud: Cloud) -> None:
    cloud.metric("i-1", "cpu_percent", 1)
    with read(cloud, AS_OF + timedelta(days=50)) as frames:
        assert frames.as_of == AS_OF
    with read(cloud, AS_OF - timedelta(days=1)) as frames:
        assert frames.as_of == AS_OF - timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "read_as"),
    [
        ("2026-10-01T00:00:00Z", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T02:00:00.123456+02:00", "2026-10-01T00:00:00.123456+00:00"),
        ("2026-10-01 00:00:00+00", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01", "2026-10-01T00:00:00+00:00"),
        ("yesterday", None),
    ],
)
def test_moments_are_read_as_clouds_write_them(
    cloud: Cloud, said: str, read_as: str | None
) -> None:
    cloud.resource("aws.ebs", "vol-1", facts={"created_at": said, "attached": False})
    with read(cloud) as frames:
        (row,) = [
            one for one in frames.resources.iter_rows(named=True) if one["resource_id"] == "vol-1"
        ]
    made = row["created_at"]
    assert (None if made is None else made.isoformat()) == read_as


def test_what_was_seen_attached_is_unattached_since_then(cloud: Cloud) -> None:
    facts = {"attached": True, "created_at": "2026-01-01T00:00:00Z"}
    cloud.resource("aws.ebs", "vol-1", facts=facts)
    cloud.cost("vol-1", "1", days=30)
    cloud.run(AS_OF)
    cloud.warehouse.execute(
        "UPDATE oco.resources SET facts = jsonb_set(facts, '{attached}', 'false') "
        "WHERE resource_id = 'vol-1'"
    )
    with read(cloud) as frames:
        since = dict(frames.resources.select("resource_id", "unattached_since").iter_rows())
    assert since == {"i-1": None, "vol-1": AS_OF}
