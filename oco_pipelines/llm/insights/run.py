"""Runs every insight over the warehouse: reads its rows, hands them to it, yields what it found."""

from collections.abc import Iterator
from datetime import datetime

from oco_pipelines.llm.insights import (
    budget_forecast,
    reading,
    spend_spike,
    top_mover,
    unpriced_model,
    unregistered_agent,
)
from oco_pipelines.llm.insights.finding import Finding
from oco_warehouse.database import Warehouse


def find_all(warehouse: Warehouse, now: datetime) -> Iterator[tuple[str, list[Finding]]]:
    """(kind, everything found of it), one kind after the other.

    Args:
        warehouse: the warehouse.
        now: aware, UTC.
    """
    spikes = [
        finding
        for entity, hours in reading.read_hourly(warehouse, now)
        for finding in spend_spike.spend_spikes(entity, hours, now)
    ]
    yield spend_spike.KIND, spikes
    week = top_mover.last_complete_week(now)
    yield top_mover.KIND, top_mover.top_movers(reading.read_two_weeks(warehouse, week), week)
    forecasts = [
        finding
        for budget, days in reading.read_budgets(warehouse, now)
        if (finding := budget_forecast.budget_forecast(budget, days, now)) is not None
    ]
    # Budgets of one scope may begin together: the one that runs out first is told.
    yield budget_forecast.KIND, sorted(forecasts, key=lambda found: found.figures["runs_out_at"])
    agents = reading.read_agents(warehouse, now)
    yield unregistered_agent.KIND, unregistered_agent.unregistered_agents(agents)
    models = reading.read_unpriced(warehouse, now)
    yield unpriced_model.KIND, unpriced_model.unpriced_models(models)
