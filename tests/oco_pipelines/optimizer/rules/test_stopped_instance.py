"""Stopped machines: what their disks cost, and when that is no waste."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.stopped_instance import stopped_instance
from oco_pipelines.optimizer.thresholds import StoppedInstance
from tests.oco_pipelines.optimizer.world import World, ago


def judge(kind: str = "aws.ec2", disk: str = "1", **values: Any) -> list[Recommendation]:
    facts = {"state": "stopped", "stopped_since": ago(10), "part_ids": ["vol-1", "vol-1"], **values}
    provider = kind.partition(".")[0]
    world = World().resource(kind, **facts).cost("9").cost(disk, "vol-1", provider)
    return stopped_instance(world.frames(), StoppedInstance())


def test_a_disk_counts_once_and_the_machine_not_at_all() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "30.00"
    assert list(found.claims) == [("aws", "111", "vol-1")]


def test_one_that_runs_was_stopped_today_or_has_no_disks_is_left_alone() -> None:
    assert not judge(state="running")
    assert not judge(stopped_since=ago(0.9))
    assert not judge(stopped_since=None)
    assert not judge(part_ids=[])
    assert not judge(part_ids=None)
    assert not judge(disk="0")


def test_each_cloud_has_its_own_word_for_stopped() -> None:
    assert judge("gcp.instance", state="TERMINATED")
    assert judge("azure.vm", state="VM deallocated")
    assert not judge("azure.vm", state="VM stopped")
