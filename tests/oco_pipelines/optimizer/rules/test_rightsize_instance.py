"""Rightsizing: CPU and memory, carried over to sizes that cost less."""

from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.rightsize_instance import rightsize_instance
from oco_pipelines.optimizer.sizes import smaller_sizes
from oco_pipelines.optimizer.thresholds import Rightsizing
from tests.oco_pipelines.optimizer.world import World, ago


def judge(
    cpu: float = 30,
    memory: float | None = 35,
    hours: int = 336,
    world: World | None = None,
    **values: Any,
) -> list[Recommendation]:
    world = (world or World()).resource(
        "aws.ec2", **{"state": "running", "size": "m5.4xlarge", **values}
    )
    world.metric("cpu_percent", [cpu] * hours).hourly("0.8")
    if memory is not None:
        world.metric("memory_percent", [memory] * hours)
    return rightsize_instance(world.frames(), Rightsizing())


def test_the_rate_of_the_own_bill_comes_before_the_list_and_the_list_before_a_share() -> None:
    (billed,) = judge(world=World().price("m5.2xlarge", "0.3", "0.5"))
    (listed,) = judge(world=World().price("m5.2xlarge", None, "0.5"))
    (shared,) = judge()
    assert [
        (str(one.estimated_monthly_savings), one.evidence["price_source"])
        for one in (billed, listed, shared)
    ] == [("365.00", "billed"), ("219.00", "list"), ("292.00", "percentage")]
    assert billed.confidence > listed.confidence > shared.confidence


def test_memory_counts_as_much_as_cpu_and_without_it_nothing_is_claimed() -> None:
    assert judge(cpu=30, memory=40)
    assert not judge(cpu=30, memory=40.1)
    assert not judge(cpu=40.1, memory=30)
    assert not judge(memory=None)


def test_thirty_hours_are_enough_and_say_little() -> None:
    (found,) = judge(hours=30)
    assert found.evidence["metric_coverage"] == "0.09"
    assert not judge(hours=29)
    (young,) = judge(hours=30, created_at=ago(1.25))
    assert young.evidence["metric_coverage"] == "1.00"


def test_the_smallest_that_fits_is_taken_at_most_two_steps_down() -> None:
    (found,) = judge(cpu=10, memory=20)
    assert found.evidence["to_size"] == "m5.xlarge"
    assert found.evidence["then_percent"] == "80"
    (tiny,) = judge(cpu=1, memory=1)
    assert tiny.evidence["to_size"] == "m5.xlarge"


def test_a_machine_that_runs_by_day_saves_only_its_hours() -> None:
    world = World().resource("aws.ec2", state="running", size="m5.4xlarge")
    world.metric("cpu_percent", [30.0] * 112).metric("memory_percent", [35.0] * 112)
    (found,) = rightsize_instance(world.hourly("0.8", hours=112).frames(), Rightsizing())
    assert found.estimated_monthly_savings == Decimal("97.33")  # 0.4 × 730 / 3


def test_a_smaller_size_that_costs_as_much_is_not_recommended() -> None:
    world = World().price("m5.2xlarge", "0.8").price("m5.xlarge", "0.9")
    assert not judge(world=world)


@pytest.mark.parametrize(
    ("provider", "size", "first"),
    [
        ("aws", "m5.2xlarge", ("m5.xlarge", 0.5)),
        ("aws", "c5.9xlarge", ("c5.4xlarge", 4 / 9)),
        ("aws", "t3.micro", None),
        ("azure", "Standard_D8s_v5", ("Standard_D4s_v5", 0.5)),
        ("azure", "Standard_B2ms", None),
        ("gcp", "n2-standard-8", ("n2-standard-4", 0.5)),
        ("gcp", "e2-micro", None),
        ("azure", "Standard_D48s_v3", ("Standard_D32s_v3", 2 / 3)),
        ("azure", "Standard_F8s_v2", ("Standard_F4s_v2", 0.5)),
        ("azure", "Standard_D4_v2", None),  # of 8 CPUs, and Standard_D2_v2 of 2
        ("azure", "Standard_D14", None),
        ("azure", "Standard_E80is_v4", None),
        ("gcp", "c2-standard-60", None),
        ("gcp", "g2-standard-8", None),
        ("aws", "p3.8xlarge", None),
        ("aws", "g4dn.xlarge", None),
        ("aws", "i3.2xlarge", None),
        ("aws", "x1e.xlarge", None),
        ("aws", "m5zn.12xlarge", None),
        ("aws", "m7i-flex.xlarge", ("m7i-flex.large", 0.5)),
    ],
)
def test_sizes_are_known_by_their_names(provider: str, size: str, first: Any) -> None:
    sizes = smaller_sizes(provider, size, frozenset())
    assert (sizes[0] if sizes else None) == first


def test_sizes_that_not_every_family_has_are_taken_where_the_bill_has_them() -> None:
    assert smaller_sizes("aws", "m5.16xlarge", frozenset())[0] == ("m5.4xlarge", 0.25)
    assert smaller_sizes("aws", "m5.16xlarge", {"m5.8xlarge"})[0] == ("m5.8xlarge", 0.5)
    assert smaller_sizes("gcp", "c2-standard-60", {"c2-standard-30"}) == [("c2-standard-30", 0.5)]
