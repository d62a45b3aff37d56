"""A recommendation's rows over runs, on a real warehouse."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.optimizer.calibration import Bin, Calibration
from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_pipelines.optimizer.store import Written, write_recommendations
from oco_warehouse.database import Warehouse

RULE = "idle_instance"
NOW = datetime(2026, 11, 2, tzinfo=UTC)
MACHINE = Resource("aws", "111", "i-0idle", "aws.ec2")
FOUND = Recommendation(
    resource=MACHINE,
    recommendation_type=RULE,
    title="Stop it",
    description="It is idle.",
    estimated_monthly_savings=Decimal("315.00"),
    confidence=Decimal("0.90"),
    evidence={"billed_days": 14},
    claims={MACHINE.key: Decimal("315.005")},
)


def row(warehouse: Warehouse) -> dict[str, Any]:
    rows = warehouse.query("SELECT * FROM oco.optimization_recommendations")
    assert len(rows) == 1
    return rows[0]


def write(
    warehouse: Warehouse, found: list[Recommendation], day: float = 0, **more: Any
) -> Written:
    return write_recommendations(warehouse, [RULE], found, NOW + timedelta(days=day), **more)


def test_a_second_run_makes_no_second_row(warehouse: Warehouse) -> None:
    assert write(warehouse, [FOUND]).opened == 1
    first = row(warehouse)
    assert write(warehouse, [FOUND], 0.25).opened == 0
    second = row(warehouse)
    assert second["id"] == first["id"]
    assert second["created_at"] == first["created_at"]
    assert (second["status"], second["version"]) == ("open", 1)
    assert second["last_seen_at"] == NOW + timedelta(hours=6)


def test_what_is_not_found_for_three_days_expires_and_comes_back_after_a_day(
    warehouse: Warehouse,
) -> None:
    write(warehouse, [FOUND])
    known = row(warehouse)["id"]
    assert write(warehouse, [], 1).expired == 0
    assert row(warehouse)["status"] == "open"
    assert write(warehouse, [], 4).expired == 1
    ended = row(warehouse)
    assert (ended["status"], ended["status_reason"]) == ("expired", "not found any more")
    assert write(warehouse, [FOUND], 5).opened == 0
    assert write(warehouse, [FOUND], 6).opened == 1
    back = row(warehouse)
    assert (back["id"], back["status"], back["resolved_at"]) == (known, "open", None)
    assert back["life"] == 2


def test_a_resource_that_is_gone_needs_no_three_days(warehouse: Warehouse) -> None:
    warehouse.execute(
        "INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, deleted_at) "
        "VALUES ('aws', '111', 'i-0idle', 'aws.ec2', now())"
    )
    write(warehouse, [FOUND])
    assert write(warehouse, [], 0.25).expired == 1


@pytest.mark.parametrize(
    ("decided", "dismissed_until", "expected"),
    [
        ("accepted", None, "accepted"),
        ("dismissed", None, "dismissed"),
        ("dismissed", "2999-01-01", "dismissed"),
        ("dismissed", "2026-11-02 12:00+00", "open"),
        ("realised", None, "regressed"),
    ],
)
def test_what_people_decided_outlives_a_run(
    warehouse: Warehouse, decided: str, dismissed_until: str | None, expected: str
) -> None:
    write(warehouse, [FOUND])
    warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = %s, dismissed_until = %s",
        [decided, dismissed_until],
    )
    write(warehouse, [FOUND], 1)
    assert row(warehouse)["status"] == expected


def test_what_was_accepted_keeps_the_cost_that_its_saving_is_measured_against(
    warehouse: Warehouse,
) -> None:
    write(warehouse, [FOUND])
    warehouse.execute("UPDATE oco.optimization_recommendations SET status = 'accepted'")
    cheaper = Recommendation(
        MACHINE, RULE, "t", "d", Decimal(7), Decimal(1), {}, {MACHINE.key: Decimal(7)}
    )
    write(warehouse, [cheaper], 1)
    assert row(warehouse)["monthly_cost"] == Decimal("315.005")


def test_one_rule_does_not_expire_what_another_found(warehouse: Warehouse) -> None:
    write(warehouse, [FOUND])
    other = write_recommendations(warehouse, ["another_rule"], [], NOW + timedelta(days=9))
    assert other.expired == 0
    assert row(warehouse)["status"] == "open"


def test_the_confidence_that_is_told_is_the_calibrated_one(warehouse: Warehouse) -> None:
    bins = [Bin(RULE, Decimal("0.5"), Decimal(1), 98, 79)]
    write(warehouse, [FOUND], calibration=Calibration(bins))
    told = row(warehouse)
    assert (told["confidence"], told["raw_confidence"]) == (Decimal("0.80"), Decimal("0.90"))
    (claim,) = warehouse.query("SELECT * FROM oco.recommendation_outcomes")
    assert (claim["stated_confidence"], claim["hit"]) == (Decimal("0.80"), None)


def test_savings_that_others_leave_nothing_of_are_nothing(warehouse: Warehouse) -> None:
    write(warehouse, [FOUND])
    write(warehouse, [], 1, left_over={(RULE, MACHINE.key): Decimal(5)})
    assert row(warehouse)["estimated_monthly_savings"] == 5
    write(warehouse, [], 1.1, left_over={})
    assert row(warehouse)["estimated_monthly_savings"] == 0
