"""Forecasts every provider, every team and the total, and replaces `oco.cost_forecast` with it."""

from datetime import date, datetime
from typing import Any, Final, NamedTuple

from oco_pipelines.trends.daily_cost import settled_day
from oco_pipelines.trends.forecast_rows import INTERVAL_SHARE, ForecastRow, forecast_rows
from oco_pipelines.trends.reading import read_newest_days, read_scopes
from oco_warehouse.database import Warehouse, copy_rows, lock
from oco_warehouse.money import plain

_FIELDS: Final = tuple(ForecastRow.__dataclass_fields__)
# The days have to add up to their sum, and a month cannot cost less than it did.
_DIFFERING: Final = """
    SELECT whole.scope, whole.entity_id, whole.expected_usd, sum(one.expected_usd) AS days_usd
    FROM oco.cost_forecast AS whole
    JOIN oco.cost_forecast AS one
        ON one.scope = whole.scope AND one.entity_id = whole.entity_id AND one.horizon = 'day'
        AND one.period_start > whole.as_of AND one.period_start < whole.period_end
    WHERE whole.horizon <> 'day' AND whole.expected_usd IS NOT NULL
    GROUP BY whole.scope, whole.entity_id, whole.horizon, whole.actual_usd, whole.expected_usd
    HAVING sum(one.expected_usd) + whole.actual_usd <> whole.expected_usd
    ORDER BY whole.scope, whole.entity_id
"""


class Forecast(NamedTuple):
    """What a run wrote; `as_of` is None without any cost."""

    rows: int
    scopes: int
    without: int
    as_of: date | None
    total: ForecastRow | None


def write_forecast(warehouse: Warehouse, now: datetime, *, settling_days: int) -> Forecast:
    """Forecast from the newest settled day on, and replace what was forecast before.

    Args:
        warehouse: the warehouse, its marts built.
        now: aware, UTC.
        settling_days: newest days of each provider that are forecast instead of believed.

    Raises:
        ConflictError: when the marts were never built.
    """
    newest = read_newest_days(warehouse, now)
    as_of = settled_day(newest.values(), settling_days)
    made: list[tuple[str, str, ForecastRow]] = []
    if as_of is not None:
        for (scope, entity), cost in read_scopes(warehouse, max(newest.values())):
            until = as_of
            if scope == "provider":
                until = settled_day([newest.get(entity, as_of)], settling_days) or as_of
            made += [(scope, entity, row) for row in forecast_rows(cost, until)]
    with warehouse.transaction() as connection:
        lock(connection, "cost_forecast")
        connection.execute("DELETE FROM oco.cost_forecast")
        copy_rows(
            connection,
            "oco.cost_forecast",
            ("scope", "entity_id", "interval_share", *_FIELDS),
            ((scope, entity, INTERVAL_SHARE, *_values(row)) for scope, entity, row in made),
        )
    months = [item for item in made if item[2].horizon == "month_end"]
    return Forecast(
        rows=len(made),
        scopes=len(months),
        without=sum(row.expected_usd is None for _, _, row in months),
        as_of=as_of,
        total=next((row for scope, _, row in months if scope == "total"), None),
    )


def differing_forecasts(warehouse: Warehouse) -> list[str]:
    """One line for each sum that its days do not add up to; none when all do."""
    return [
        f"{row['scope']} {row['entity_id']}: {plain(row['expected_usd'])} is expected, and its "
        f"days add up to {plain(row['days_usd'])}"
        for row in warehouse.query(_DIFFERING)
    ]


def _values(row: ForecastRow) -> list[Any]:
    return [getattr(row, name) for name in _FIELDS]
