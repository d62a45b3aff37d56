"""Obsolete images: what nothing runs on, with the snapshots that it is made of."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.obsolete_image import obsolete_image
from oco_pipelines.optimizer.thresholds import ObsoleteImage
from tests.oco_pipelines.optimizer.world import World, ago


def judge(**values: Any) -> list[Recommendation]:
    facts = {"in_use": False, "created_at": ago(97), "part_ids": ["s-1", "s-2"], **values}
    world = World().resource("aws.ami", **facts).cost("0.2", "s-1").cost("0.1", "s-2")
    return obsolete_image(world.frames(), ObsoleteImage())


def test_its_snapshots_are_what_it_costs() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "9.00"
    assert found.evidence["billed_parts"] == 2


def test_an_image_that_is_billed_itself_needs_no_snapshots() -> None:
    world = World().resource("gcp.image", in_use=False, created_at=ago(100))
    (found,) = obsolete_image(world.cost("0.5", provider="gcp").frames(), ObsoleteImage())
    assert str(found.estimated_monthly_savings) == "15.00"


def test_what_is_in_use_young_or_not_known_is_left_alone() -> None:
    assert not judge(in_use=True)
    assert not judge(in_use=None)
    assert not judge(created_at=ago(96))
    assert not judge(source_exists=True)
    assert not judge(part_ids=None)
