"""Storage classes: large, hardly read, and measured to be so."""

from decimal import Decimal

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.storage_class import storage_class
from oco_pipelines.optimizer.thresholds import StorageClass
from tests.oco_pipelines.optimizer.world import GIB, World

DAY = 86_400


def judge(
    gib: float = 1000, gets: float | None = 5, cold_gib: float = 0, storage: str = "14"
) -> list[Recommendation]:
    world = World().resource("aws.s3").cost("2", storage_usd=Decimal(storage))
    world.metric("stored_bytes_standard", [gib * GIB] * 14, seconds=DAY)
    if cold_gib:
        world.metric("stored_bytes_glacier", [cold_gib * GIB] * 14, seconds=DAY)
    if gets is not None:
        world.metric("get_requests", [gets] * 14, seconds=DAY)
    return storage_class(world.frames(), StorageClass())


def test_a_share_of_what_storage_alone_is_billed() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "12.00"  # 14 / 14 × 30 × 40 %
    assert found.evidence["reads_a_month"] == "150"


def test_only_the_standard_part_is_moved() -> None:
    (found,) = judge(cold_gib=3000)
    assert str(found.estimated_monthly_savings) == "3.00"


def test_what_is_small_read_or_not_measured_is_left_alone() -> None:
    assert not judge(gib=99)
    assert not judge(gets=34)  # 1020 a month for 1000 GiB
    assert not judge(gets=None)
    assert not judge(storage="0")
