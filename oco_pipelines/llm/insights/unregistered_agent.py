"""Insight: agents that call models and that nobody registered, so that no team answers for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from oco_pipelines.llm.insights.finding import Finding, text_of
from oco_warehouse.money import format_usd

KIND: Final = "unregistered_agent"
MOST: Final = 200


@dataclass(frozen=True, slots=True)
class CallingAgent:
    """An agent's calls of the last 30 days; `cost_usd` leaves out calls without a price."""

    agent_id: str
    registered: bool
    requests: int
    cost_usd: Decimal
    first_at: datetime
    last_at: datetime


def unregistered_agents(agents: Iterable[CallingAgent]) -> list[Finding]:
    """Those that are not in `oco.agents`, the dearest first, at most `MOST`."""
    unknown = [agent for agent in agents if not agent.registered]
    unknown.sort(key=lambda agent: (-agent.cost_usd, -agent.requests, agent.agent_id))
    return [
        Finding(
            kind=KIND,
            scope="agent",
            entity_id=agent.agent_id,
            title=(
                f"Agent {agent.agent_id} is not registered: {agent.requests} calls for "
                f"{format_usd(agent.cost_usd)} in 30 days"
            ),
            figures={
                "requests": str(agent.requests),
                "cost_usd": text_of(agent.cost_usd),
                "first_at": agent.first_at.isoformat(),
                "last_at": agent.last_at.isoformat(),
            },
        )
        for agent in unknown[:MOST]
    ]
