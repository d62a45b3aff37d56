"""Off hours: the same idle hours in every week."""

from collections.abc import Iterable

import pytest

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.off_hours import long_stretches, off_hours
from oco_pipelines.optimizer.thresholds import OffHours
from tests.oco_pipelines.optimizer.world import World

CPU, NETWORK = "cpu_percent", "network_bytes_per_second"
NIGHTS = frozenset(24 * day + hour for day in range(7) for hour in (*range(6), 22, 23))


def judge(
    idle: Iterable[int] = NIGHTS, network: float = 100, observed: int = 2, **values: object
) -> list[Recommendation]:
    quiet = set(idle)
    world = World().resource("aws.ec2", **{"state": "running", **values}).hourly("0.1")
    world.metric(CPU, [50.0] * 336)
    cpu = {hour: 2.0 if hour in quiet else 50.0 for hour in range(168)}
    net = {hour: network if hour in quiet else 9000.0 for hour in range(168)}
    world.hours_of_week(CPU, cpu, observed=observed).hours_of_week(NETWORK, net, observed=observed)
    return off_hours(world.frames(), OffHours())


def test_the_hours_of_all_nights_are_saved() -> None:
    (found,) = judge()
    assert str(found.estimated_monthly_savings) == "24.00"  # 0.1 × 56 × 30 / 7
    assert str(found.evidence["schedule"]).startswith("Mon 22:00 to Tue 06:00; ")
    assert "Sun 22:00 to Mon 06:00" in str(found.evidence["schedule"])


def test_hours_that_were_busy_once_or_seen_once_do_not_count() -> None:
    assert not judge(network=1000.1)
    assert not judge(observed=1)


def test_few_hours_short_pauses_and_whole_weeks_are_not_worth_a_schedule() -> None:
    assert not judge(idle=range(39))
    assert judge(idle=range(40))
    assert not judge(idle=[hour for hour in range(168) if hour % 4])
    assert not judge(idle=range(168))


def test_a_group_that_scales_switches_its_machines_off_itself() -> None:
    assert not judge(autoscaling_group="web")
    assert not judge(state="stopped")


@pytest.mark.parametrize(
    ("hours", "stretches"),
    [
        ([], []),
        ([1, 2, 3], []),
        ([1, 2, 3, 4], [(1, 4)]),
        ([0, 1, 166, 167], [(166, 4)]),
        (range(168), [(0, 168)]),
    ],
)
def test_stretches_go_over_the_end_of_the_week(
    hours: Iterable[int], stretches: list[tuple[int, int]]
) -> None:
    assert long_stretches(list(hours), 4) == stretches
