"""Previous generations: what the successor costs, where the bill tells and where it does not."""

from typing import Any

import pytest

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.previous_generation import previous_generation
from oco_pipelines.optimizer.thresholds import PreviousGeneration
from tests.oco_pipelines.optimizer.world import World


def judge(world: World, limits: PreviousGeneration | None = None) -> list[Recommendation]:
    return previous_generation(world.frames(), limits or PreviousGeneration())


def machine(size: str = "c4.large", **values: Any) -> World:
    return World().resource("aws.ec2", **{"state": "running", "size": size, **values}).hourly("0.1")


def test_a_size_that_the_bill_has_says_what_it_costs() -> None:
    (found,) = judge(machine().price("c5.large", "0.085"))
    assert str(found.estimated_monthly_savings) == "10.95"
    assert found.evidence["to_size"] == "c5.large"


def test_one_that_it_does_not_have_saves_the_stated_share() -> None:
    (found,) = judge(machine())
    assert str(found.estimated_monthly_savings) == "10.95"  # 0.1 × 15 % × 730
    assert found.evidence["price_source"] == "percentage"


def test_a_successor_that_is_not_cheaper_here_is_not_recommended() -> None:
    assert not judge(machine().price("c5.large", "0.1"))


def test_what_is_current_stopped_or_not_listed_is_left_alone() -> None:
    assert not judge(machine("c5.large"))
    assert not judge(machine(state="stopped"))
    assert not judge(machine(), PreviousGeneration(successors={}))


@pytest.mark.parametrize(
    ("size", "to_size"),
    [
        ("m2.xlarge", "r5.large"),  # $0.245 and $0.126; r5.xlarge would be $0.252
        ("c1.xlarge", "c5.2xlarge"),
        ("r3.8xlarge", "r5.8xlarge"),
        ("t2.nano", "t3.nano"),
        ("c4.8xlarge", None),  # c5 has 9xlarge
        ("m4.10xlarge", None),
        ("m3.medium", None),
    ],
)
def test_a_successor_is_as_strong_and_exists(size: str, to_size: str | None) -> None:
    found = judge(machine(size))
    assert [one.evidence["to_size"] for one in found] == ([to_size] if to_size else [])


def test_disks_have_generations_too() -> None:
    disk = World().resource("aws.ebs", size="gp2", attached=True).cost("1")
    (found,) = judge(disk)
    assert str(found.estimated_monthly_savings) == "6.00"  # 30 × 20 %
    # What nothing uses should be deleted instead.
    assert not judge(World().resource("aws.ebs", size="gp2", attached=False).cost("1"))


def test_databases_keep_their_class() -> None:
    database = World().resource("aws.rds", state="available", size="db.t2.small").hourly("0.1")
    (found,) = judge(database)
    assert found.evidence["to_size"] == "db.t3.small"
