"""A recommendation's life over runs, on a real warehouse."""

from decimal import Decimal

import pytest

from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_pipelines.optimizer.store import write_recommendations
from oco_warehouse.database import Warehouse

RULE = "idle_instance"
FOUND = Recommendation(
    resource=Resource("aws", "111", "i-0idle", "aws.ec2"),
    recommendation_type=RULE,
    title="Stop it",
    description="It is idle.",
    estimated_monthly_savings=Decimal("315.00"),
    confidence=Decimal("0.90"),
    evidence={"billed_days": 14},
)


def row(warehouse: Warehouse) -> dict[str, object]:
    rows = warehouse.query("SELECT * FROM oco.optimization_recommendations")
    assert len(rows) == 1
    return rows[0]


def test_a_second_run_makes_no_second_row(warehouse: Warehouse) -> None:
    write_recommendations(warehouse, RULE, [FOUND])
    first = row(warehouse)
    write_recommendations(warehouse, RULE, [FOUND])
    second = row(warehouse)
    assert second["id"] == first["id"]
    assert second["created_at"] == first["created_at"]
    assert second["status"] == "open"


def test_what_is_not_found_any_more_expires_and_opens_again_when_it_comes_back(
    warehouse: Warehouse,
) -> None:
    write_recommendations(warehouse, RULE, [FOUND])
    known = row(warehouse)["id"]
    assert write_recommendations(warehouse, RULE, []).expired == 1
    assert row(warehouse)["status"] == "expired"
    assert row(warehouse)["resolved_at"] is not None
    write_recommendations(warehouse, RULE, [FOUND])
    back = row(warehouse)
    assert (back["id"], back["status"], back["resolved_at"]) == (known, "open", None)


@pytest.mark.parametrize(
    ("decided", "dismissed_until", "expected"),
    [
        ("accepted", None, "accepted"),
        ("dismissed", None, "dismissed"),
        ("dismissed", "2999-01-01", "dismissed"),
        ("dismissed", "2000-01-01", "open"),
        ("realised", None, "regressed"),
    ],
)
def test_what_people_decided_outlives_a_run(
    warehouse: Warehouse, decided: str, dismissed_until: str | None, expected: str
) -> None:
    write_recommendations(warehouse, RULE, [FOUND])
    warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = %s, dismissed_until = %s",
        [decided, dismissed_until],
    )
    write_recommendations(warehouse, RULE, [FOUND])
    assert row(warehouse)["status"] == expected


def test_one_rule_does_not_expire_what_another_found(warehouse: Warehouse) -> None:
    write_recommendations(warehouse, RULE, [FOUND])
    assert write_recommendations(warehouse, "another_rule", []).expired == 0
    assert row(warehouse)["status"] == "open"
