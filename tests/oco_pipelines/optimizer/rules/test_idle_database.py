"""Idle databases: not one connection in a week."""

from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.idle_database import idle_database
from oco_pipelines.optimizer.thresholds import IdleDatabase
from tests.oco_pipelines.optimizer.world import World


def judge(connections: list[float] | None, state: str = "available") -> list[Recommendation]:
    world = World().resource("aws.rds", state=state).cost("4.1")
    if connections is not None:
        world.metric("connections", connections, window_days=7)
    return idle_database(world.frames(), IdleDatabase())


def test_a_database_that_nobody_connects_to_saves_all_that_it_costs() -> None:
    (found,) = judge([0.0] * 168)
    assert str(found.estimated_monthly_savings) == "123.00"


def test_one_connection_is_enough_to_be_needed() -> None:
    assert not judge([0.0] * 167 + [1.0])


def test_little_or_no_evidence_says_nothing() -> None:
    assert not judge(None)
    assert not judge([0.0] * 160)
    assert not judge([0.0] * 168, state="stopped")
