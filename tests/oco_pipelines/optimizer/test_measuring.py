"""What became of recommendations, as the bill and later runs show it, on a real warehouse."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_warehouse.database import Warehouse
from tests.oco_pipelines.optimizer.cloud import Cloud
from tests.oco_pipelines.optimizer.world import AS_OF

CPU, NETWORK = "cpu_percent", "network_bytes_per_second"


@pytest.fixture
def cloud(warehouse: Warehouse) -> Cloud:
    """A machine that does nothing, which a run has found."""
    made = Cloud(warehouse)
    made.resource("aws.ec2", "i-1", state="running")
    made.resource("aws.ec2", "i-other", state="running")
    idle(made, AS_OF, 14)
    made.cost("i-1", "10")
    made.run()
    return made


def idle(cloud: Cloud, until: datetime, days: int, cpu: float = 1) -> None:
    cloud.metric("i-1", CPU, cpu, days=days, until=until)
    cloud.metric("i-1", NETWORK, 10, days=days, until=until)


def billed(cloud: Cloud, usd: str, until: datetime, days: int) -> None:
    """What the machine costs a day; another one shows that the bill goes on."""
    cloud.cost("i-other", "1", until=until, days=days)
    if usd != "0":
        cloud.cost("i-1", usd, until=until, days=days)


def accept(cloud: Cloud) -> None:
    cloud.warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = 'accepted', accepted_at = %s",
        [AS_OF],
    )


def row(cloud: Cloud) -> dict[str, Any]:
    (only,) = [one for one in cloud.rows() if one["recommendation_type"] == "idle_instance"]
    return only


def outcome(cloud: Cloud) -> dict[str, Any]:
    (only,) = cloud.warehouse.query(
        "SELECT * FROM oco.recommendation_outcomes WHERE recommendation_type = 'idle_instance'"
    )
    return only


def test_a_saving_is_realised_when_a_whole_settled_week_shows_it(cloud: Cloud) -> None:
    accept(cloud)
    after = AS_OF + timedelta(days=9)
    # Two of the newest days have not settled: the week would begin on the day of the decision.
    billed(cloud, "2", after, 9)
    cloud.run(after)
    assert row(cloud)["status"] == "accepted"
    billed(cloud, "2", after + timedelta(days=1), 1)
    cloud.run(after + timedelta(days=1))
    done = row(cloud)
    assert done["status"] == "realised"
    assert done["realised_monthly_savings"] == Decimal("240.00")  # 300 − 2 × 30
    known = outcome(cloud)
    assert (known["basis"], known["hit"]) == ("bill", True)
    assert known["realised_monthly_savings"] == 240


def test_less_than_half_of_the_claim_is_not_realised(cloud: Cloud) -> None:
    accept(cloud)
    after = AS_OF + timedelta(days=12)
    billed(cloud, "5.1", after, 12)
    cloud.run(after)
    assert (row(cloud)["status"], row(cloud)["realised_monthly_savings"]) == (
        "accepted",
        Decimal("147.00"),
    )


def test_what_costs_again_has_regressed(cloud: Cloud) -> None:
    accept(cloud)
    after = AS_OF + timedelta(days=12)
    billed(cloud, "0", after, 12)
    cloud.run(after)
    assert row(cloud)["status"] == "realised"
    later = after + timedelta(days=12)
    billed(cloud, "10", later, 12)
    cloud.run(later)
    assert row(cloud)["status"] == "regressed"


def test_a_machine_that_somebody_deleted_without_a_word_is_realised(cloud: Cloud) -> None:
    cloud.warehouse.execute("UPDATE oco.resources SET deleted_at = now() WHERE resource_id = 'i-1'")
    cloud.run(AS_OF + timedelta(hours=6))
    assert row(cloud)["status"] == "expired"
    after = AS_OF + timedelta(days=11)
    billed(cloud, "0", after, 11)
    cloud.run(after)
    assert row(cloud)["status"] == "realised"
    assert row(cloud)["realised_monthly_savings"] == 300


def test_what_runs_still_find_after_thirty_days_came_true(cloud: Cloud) -> None:
    for day in (10, 20, 29):
        idle(cloud, AS_OF + timedelta(days=day), 10 if day < 29 else 9)
        billed(cloud, "10", AS_OF + timedelta(days=day), 10 if day < 29 else 9)
        cloud.run(AS_OF + timedelta(days=day))
    assert outcome(cloud)["basis"] is None
    idle(cloud, AS_OF + timedelta(days=30), 1)
    cloud.run(AS_OF + timedelta(days=30))
    assert (outcome(cloud)["basis"], outcome(cloud)["hit"]) == ("still_true", True)


def test_what_works_again_did_not_come_true(cloud: Cloud) -> None:
    idle(cloud, AS_OF + timedelta(days=5), 5, cpu=80)
    billed(cloud, "10", AS_OF + timedelta(days=5), 5)
    cloud.run(AS_OF + timedelta(days=1, hours=1))
    cloud.run(AS_OF + timedelta(days=5))
    assert row(cloud)["status"] == "expired"
    billed(cloud, "10", AS_OF + timedelta(days=20), 15)
    cloud.run(AS_OF + timedelta(days=20))
    assert (outcome(cloud)["basis"], outcome(cloud)["hit"]) == ("no_longer_true", False)


def test_what_was_dismissed_says_nothing_about_the_rule(cloud: Cloud) -> None:
    cloud.warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = 'dismissed', status_reason = 'no'"
    )
    cloud.run(AS_OF + timedelta(days=31))
    assert (outcome(cloud)["basis"], outcome(cloud)["hit"]) == ("no_evidence", None)


def test_a_month_that_is_billed_as_before_has_saved_nothing(cloud: Cloud) -> None:
    cloud.resource("aws.ec2", "i-old", state="running", size="m4.large")
    cloud.resource("aws.ec2", "i-new", state="running", size="m5.large")
    for identifier, usd in (("i-old", "2.4"), ("i-new", "2.352")):
        cloud.cost(identifier, usd, unit="Hrs", quantity=24)
    cloud.run()
    accept(cloud)
    after = AS_OF + timedelta(days=12)
    cloud.cost("i-old", "2.4", unit="Hrs", quantity=24, until=after, days=12)
    cloud.run(after)
    (old,) = [one for one in cloud.rows() if one["resource_id"] == "i-old"]
    assert old["recommendation_type"] == "previous_generation"
    # 2 % of $73.00; a claim so small is within the difference of 730 hours and 30 days.
    assert (old["estimated_monthly_savings"], old["status"]) == (Decimal("1.46"), "accepted")
    assert old["realised_monthly_savings"] == 0
