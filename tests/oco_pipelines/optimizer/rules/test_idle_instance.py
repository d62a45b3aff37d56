"""The idle machine rule: when it speaks, and what it claims."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.optimizer.judging import cents
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.idle_instance import CPU, NETWORK, idle_instance
from oco_pipelines.optimizer.thresholds import IdleInstance
from tests.oco_pipelines.optimizer.world import World

DAY = 86_400


def machine(**values: Any) -> World:
    return World().resource("aws.ec2", resource_name="old-batch", **{"state": "running", **values})


def measured(
    world: World, cpu: float = 1, network: float = 10, days: int = 14, seen: int | None = None
) -> World:
    """Daily averages; `seen` of the days, the first of them included."""
    for name, value in ((CPU, cpu), (NETWORK, network)):
        world.metric(name, [value] * days, seconds=DAY)
        world.metrics[-1]["seconds"] = DAY * (days if seen is None else seen)
    return world


def judge(world: World) -> list[Recommendation]:
    return idle_instance(world.frames(), IdleInstance())


def test_a_machine_without_work_saves_its_daily_average_times_thirty() -> None:
    (found,) = judge(measured(machine()).cost("10.5"))
    assert found.estimated_monthly_savings == Decimal("315.00")
    assert found.evidence["billed_days"] == 14
    assert found.evidence["billed_usd"] == "147"
    assert found.title == "Stop or delete idle instance old-batch"


def test_days_before_its_first_bill_do_not_thin_the_average() -> None:
    (found,) = judge(measured(machine()).cost("10.5", days=3))
    assert found.estimated_monthly_savings == Decimal("315.00")


def test_the_limits_themselves_are_still_idle_and_anything_above_is_not() -> None:
    assert judge(measured(machine(), cpu=5, network=1000).cost("1"))
    assert not judge(measured(machine(), cpu=5.01).cost("1"))
    assert not judge(measured(machine(), network=1000.1).cost("1"))


def test_a_chatty_hour_of_a_day_with_little_traffic_is_still_idle() -> None:
    hours = [10.0] * 335 + [1200.0]  # 1200 × 3600 + 23 × 10 × 3600 bytes are 5.1 MB in its day
    quiet = machine().metric(CPU, [1.0] * 336).cost("1")
    assert not judge(quiet.metric(NETWORK, hours))
    quiet.metrics.pop()
    assert judge(quiet.metric(NETWORK, [9.0] * 335 + [1100.0]))


def test_one_busy_day_is_enough_to_be_needed() -> None:
    world = machine().metric(CPU, [1.0] * 8 + [60.0] + [1.0] * 5, seconds=DAY)
    assert not judge(world.metric(NETWORK, [10.0] * 14, seconds=DAY).cost("1"))


def test_a_missing_metric_is_no_evidence() -> None:
    assert not judge(machine().metric(CPU, [1.0] * 14, seconds=DAY).cost("1"))
    assert not judge(machine().cost("1"))


def test_less_than_a_week_is_no_evidence() -> None:
    assert not judge(measured(machine(), days=6).cost("1"))
    assert judge(measured(machine(), days=7).cost("1"))


def test_gaps_lower_the_confidence_and_large_ones_silence_the_rule() -> None:
    (whole,) = judge(measured(machine()).cost("1"))
    (gaps,) = judge(measured(machine(), seen=11).cost("1"))
    # 1 of 5 % CPU leaves a margin of 0.9; all days are alike; 11 of 14 days were seen.
    assert whole.confidence == Decimal("0.90")
    assert gaps.confidence == Decimal("0.71")
    assert not judge(measured(machine(), seen=6).cost("1"))


def test_a_machine_that_costs_nothing_is_not_worth_a_word() -> None:
    assert not judge(measured(machine()))
    assert not judge(measured(machine()).cost("0"))
    assert not judge(measured(machine()).cost("-1"))


def test_stopped_machines_and_other_resources_are_other_rules_matter() -> None:
    assert not judge(measured(machine(state="stopped")).cost("1"))
    assert not judge(measured(World().resource("aws.ebs", state="in-use")).cost("1"))


@given(
    cpu=st.floats(0, 5),
    network=st.floats(0, 1000),
    a_day=st.decimals("0.01", 10_000, places=10),
    days=st.integers(7, 14),
)
def test_confidence_is_a_share_and_the_saving_is_all_that_it_costs(
    cpu: float, network: float, a_day: Decimal, days: int
) -> None:
    (found,) = judge(measured(machine(), cpu, network, days).cost(str(a_day), days=days))
    assert 0 <= found.confidence <= 1
    assert found.estimated_monthly_savings == cents(a_day * 30)
    assert found.estimated_monthly_savings <= sum(found.claims.values())
