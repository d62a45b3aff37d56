"""Unattached disks: since when, and what speaks against it."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.unattached_volume import unattached_volume
from oco_pipelines.optimizer.thresholds import UnattachedVolume
from tests.oco_pipelines.optimizer.world import World, ago


def judge(
    traffic: list[float] | None = None, usd: str = "1", **values: Any
) -> list[Recommendation]:
    world = World().resource("aws.ebs", **{"attached": False, "unattached_since": ago(5), **values})
    if traffic is not None:
        world.metric("read_write_bytes_per_second", traffic, window_days=7)
    return unattached_volume(world.cost(usd).frames(), UnattachedVolume())


def test_a_disk_that_nothing_uses_saves_all_that_it_costs() -> None:
    (found,) = judge(traffic=[0.0] * 168)
    assert str(found.estimated_monthly_savings) == "30.00"
    assert found.evidence["unattached_days"] == "5.0"


def test_what_is_attached_or_was_yesterday_or_is_not_known_is_left_alone() -> None:
    assert not judge(attached=True)
    assert not judge(attached=None)
    assert not judge(unattached_since=ago(0.99))
    assert not judge(unattached_since=None)
    assert not judge(usd="0")


def test_reads_and_writes_say_that_it_was_used() -> None:
    assert not judge(traffic=[0.0] * 100 + [512.0])
