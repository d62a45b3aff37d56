"""The idle machine rule: when it speaks, and what it claims."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.optimizer.idle_instance import CPU, NETWORK, idle_instance
from oco_pipelines.optimizer.recommendation import DailyCost, Metric, Resource

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
MACHINE = Resource("aws", "111", "i-0idle", "aws.ec2", "old-batch", state="running")


def metrics(
    days: int = 14, cpu: str = "1", network: str = "100", skip: frozenset[int] = frozenset()
) -> list[Metric]:
    return [
        Metric(name, AS_OF - timedelta(days=day), 86_400, Decimal(value), 24)
        for day in range(1, days + 1)
        if day not in skip
        for name, value in ((CPU, cpu), (NETWORK, network))
    ]


def costs(days: int = 14, a_day: str = "10.5") -> list[DailyCost]:
    return [
        DailyCost((AS_OF - timedelta(days=day)).date(), Decimal(a_day))
        for day in range(1, days + 1)
    ]


def test_a_machine_without_work_saves_its_daily_average_times_thirty() -> None:
    found = idle_instance(MACHINE, metrics(), costs(), AS_OF)
    assert found is not None
    assert found.estimated_monthly_savings == Decimal("315.00")
    assert found.evidence["billed_days"] == 14
    assert found.evidence["billed_usd"] == "147.0"


def test_days_that_were_not_billed_do_not_thin_the_average() -> None:
    found = idle_instance(MACHINE, metrics(), costs(days=3), AS_OF)
    assert found is not None
    assert found.estimated_monthly_savings == Decimal("315.00")


def test_costs_outside_the_window_do_not_count() -> None:
    dear = DailyCost((AS_OF - timedelta(days=20)).date(), Decimal(9_999))
    later = DailyCost(AS_OF.date(), Decimal(9_999))
    found = idle_instance(MACHINE, metrics(), [*costs(), dear, later], AS_OF)
    assert found is not None
    assert found.estimated_monthly_savings == Decimal("315.00")


def test_the_limits_themselves_are_still_idle_and_anything_above_is_not() -> None:
    assert idle_instance(MACHINE, metrics(cpu="5", network="1000"), costs(), AS_OF)
    assert idle_instance(MACHINE, metrics(cpu="5.01"), costs(), AS_OF) is None
    assert idle_instance(MACHINE, metrics(network="1000.1"), costs(), AS_OF) is None


def test_one_busy_day_is_enough_to_be_needed() -> None:
    busy = Metric(CPU, AS_OF - timedelta(days=5), 86_400, Decimal(60), 24)
    quiet = [
        metric
        for metric in metrics()
        if (metric.metric, metric.interval_start) != (CPU, busy.interval_start)
    ]
    assert idle_instance(MACHINE, [*quiet, busy], costs(), AS_OF) is None


def test_a_missing_metric_is_no_evidence() -> None:
    only_cpu = [metric for metric in metrics() if metric.metric == CPU]
    assert idle_instance(MACHINE, only_cpu, costs(), AS_OF) is None
    empty = [replace(metric, sample_count=0) for metric in metrics() if metric.metric == NETWORK]
    assert idle_instance(MACHINE, [*only_cpu, *empty], costs(), AS_OF) is None
    assert idle_instance(MACHINE, [], costs(), AS_OF) is None


def test_less_than_a_week_is_no_evidence() -> None:
    assert idle_instance(MACHINE, metrics(days=6), costs(), AS_OF) is None
    assert idle_instance(MACHINE, metrics(days=7), costs(), AS_OF)


def test_gaps_lower_the_confidence_and_large_ones_silence_the_rule() -> None:
    whole = idle_instance(MACHINE, metrics(), costs(), AS_OF)
    gaps = idle_instance(MACHINE, metrics(skip=frozenset({2, 3, 4})), costs(), AS_OF)
    assert whole is not None
    assert gaps is not None
    assert gaps.confidence < whole.confidence
    mostly_gaps = metrics(skip=frozenset(range(2, 12)))
    assert idle_instance(MACHINE, mostly_gaps, costs(), AS_OF) is None


def test_a_machine_that_costs_nothing_is_not_worth_a_word() -> None:
    assert idle_instance(MACHINE, metrics(), [], AS_OF) is None
    assert idle_instance(MACHINE, metrics(), costs(a_day="0"), AS_OF) is None
    assert idle_instance(MACHINE, metrics(), costs(a_day="-1"), AS_OF) is None


def test_stopped_machines_and_other_resources_are_other_rules_matter() -> None:
    assert idle_instance(replace(MACHINE, state="stopped"), metrics(), costs(), AS_OF) is None
    disk = replace(MACHINE, resource_type="aws.ebs-volume")
    assert idle_instance(disk, metrics(), costs(), AS_OF) is None


@given(
    cpu=st.decimals(0, 5, places=3),
    network=st.decimals(0, 1000, places=2),
    a_day=st.decimals("0.01", 10_000, places=10),
    days=st.integers(7, 14),
)
def test_confidence_is_a_share_and_the_saving_is_never_negative(
    cpu: Decimal, network: Decimal, a_day: Decimal, days: int
) -> None:
    found = idle_instance(
        MACHINE, metrics(days, str(cpu), str(network)), costs(days, str(a_day)), AS_OF
    )
    assert found is not None
    assert 0 <= found.confidence <= 1
    assert found.estimated_monthly_savings == (a_day * 30).quantize(Decimal("0.01"))
