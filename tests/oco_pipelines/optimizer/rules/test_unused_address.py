"""Unused addresses: for how long, and which kinds."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.unused_address import unused_address
from oco_pipelines.optimizer.thresholds import UnusedAddress
from tests.oco_pipelines.optimizer.world import World, ago


def judge(kind: str = "aws.network-addr", **values: Any) -> list[Recommendation]:
    facts = {"attached": False, "unattached_since": ago(7), **values}
    world = World().resource(kind, **facts).cost("0.12", provider=kind.partition(".")[0])
    return unused_address(world.frames(), UnusedAddress())


def test_after_seven_days_it_saves_all_that_it_costs() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "3.60"
    assert str(found.confidence) == "0.50"
    assert not judge(unattached_since=ago(6.9))


def test_every_cloud_has_addresses_and_other_things_are_none() -> None:
    assert judge("azure.publicip")
    assert judge("gcp.compute-address")
    assert not judge("aws.ebs")
    assert not judge(attached=True)
