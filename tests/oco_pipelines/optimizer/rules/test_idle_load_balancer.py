"""Idle load balancers: by their requests, or by their targets where nothing counts requests."""

from typing import Any

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.idle_load_balancer import idle_load_balancer
from oco_pipelines.optimizer.thresholds import IdleLoadBalancer
from tests.oco_pipelines.optimizer.world import World, ago


def judge(requests: list[float] | None = None, **values: Any) -> list[Recommendation]:
    world = World().resource("aws.app-elb", **{"state": "active", **values}).cost("0.60")
    if requests is not None:
        world.metric("requests", requests, window_days=7)
    return idle_load_balancer(world.frames(), IdleLoadBalancer())


def test_fewer_than_a_hundred_requests_on_every_day() -> None:
    (found,) = judge([4.0] * 168)  # 96 a day
    assert str(found.estimated_monthly_savings) == "18.00"
    assert found.evidence["most_requests_a_day"] == "96"
    assert not judge([4.0] * 144 + [5.0] * 24)  # 120 on the last day


def test_less_than_seven_days_or_too_many_gaps_are_no_evidence() -> None:
    assert not judge([0.0] * 167)
    world = World().resource("aws.app-elb").cost("1").metric("requests", [0.0] * 168, window_days=7)
    world.metrics[-1]["seconds"] = 83 * 3600
    assert not idle_load_balancer(world.frames(), IdleLoadBalancer())


def test_without_requests_counted_missing_targets_say_it() -> None:
    (found,) = judge(targets=0, created_at=ago(14))
    assert str(found.confidence) == "0.75"
    assert not judge(targets=1, created_at=ago(14))
    assert not judge(targets=0, created_at=ago(6))
    assert not judge(targets=0)
    assert not judge()


def test_requests_overrule_missing_targets() -> None:
    assert not judge([50.0] * 168, targets=0, created_at=ago(14))
