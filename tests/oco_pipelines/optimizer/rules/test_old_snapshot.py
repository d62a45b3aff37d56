"""Old snapshots: beyond the policy, and of something that is gone."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.old_snapshot import old_snapshot
from oco_pipelines.optimizer.thresholds import Kept
from tests.oco_pipelines.optimizer.world import World, ago


def judge(limits: Kept | None = None, **values: Any) -> list[Recommendation]:
    facts = {"source_exists": False, "created_at": ago(37), **values}
    world = World().resource("aws.ebs-snapshot", **facts).cost("0.1")
    return old_snapshot(world.frames(), limits or Kept())


def test_seven_days_beyond_the_thirty_of_the_policy() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "3.00"
    assert not judge(created_at=ago(36.9))
    assert not judge(Kept(retention_days=60))


def test_what_has_a_source_or_an_image_or_is_not_known_is_left_alone() -> None:
    assert not judge(source_exists=True)
    assert not judge(source_exists=None)
    assert not judge(in_use=True)
    assert not judge(blocks_shared=True)
    assert not judge(created_at=None)
