"""Idle NAT gateways: by the bytes of their days."""

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.idle_nat_gateway import idle_nat_gateway
from oco_pipelines.optimizer.thresholds import IdleGateway
from tests.oco_pipelines.optimizer.world import World


def judge(bytes_out: list[float] | None) -> list[Recommendation]:
    world = World().resource("aws.nat-gateway", state="available").cost("1.08")
    if bytes_out is not None:
        world.metric("bytes_out", bytes_out, window_days=7)
    return idle_nat_gateway(world.frames(), IdleGateway())


def test_five_megabytes_a_day_are_nothing_and_more_is_something() -> None:
    (found,) = judge([200_000.0] * 168)  # 4.8 MB a day
    assert str(found.estimated_monthly_savings) == "32.40"
    assert not judge([200_000.0] * 167 + [500_000.0])  # 5.1 MB on the last day


def test_a_missing_metric_is_no_evidence() -> None:
    assert not judge(None)
    assert not judge([0.0] * 100)
