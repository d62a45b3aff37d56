"""Costs and metrics of resources: summed in the database, read for the rows that ask."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import sql

from oco_warehouse.database import Connection
from oco_warehouse.policy_engine.subjects import Subject, readable
from oco_warehouse.policy_engine.windows import (
    Window,
    newest_cost_days,
    of_cost,
    sums_sql,
    windows_of,
)
from oco_warehouse.policy_rules.filters import Measure, Metrics

_COST_TABLE: Final = "oco_policy_costs"
_NEWEST_METRIC: Final = """
    SELECT max(interval_start + make_interval(secs => interval_seconds)) AS ends
    FROM oco.resource_metrics
"""
_STATISTICS: Final = {
    "Average": "sum(average * interval_seconds) / nullif(sum(interval_seconds)"
    " FILTER (WHERE average IS NOT NULL), 0)",
    "Maximum": "max(coalesce(maximum, average))",
    "Sum": "sum(average)",
}
_METRIC: Final = """
    SELECT asked.place, {statistic} AS figure
    FROM unnest(%(providers)s::text[], %(accounts)s::text[], %(ids)s::text[], %(places)s::int[])
        AS asked (provider, account_id, resource_id, place)
    JOIN oco.resource_metrics AS metric USING (provider, account_id, resource_id)
    WHERE metric.metric = %(metric)s AND metric.sample_count > 0
      AND metric.interval_start >= %(start)s AND metric.interval_start < %(end)s
    GROUP BY asked.place,
        floor(extract(epoch FROM metric.interval_start - %(start)s) / %(period)s)
"""


class Sums:
    """What is known of all resources at once, while policies are judged.

    Sums of each resource's effective cost are kept in a temporary table.

    Charges are read once, whatever the number of policies and resources.
    """

    def __init__(self, connection: Connection, measures: Iterable[Measure]) -> None:
        self._connection = connection
        self.windows: Sequence[Window] = windows_of(measures)
        self._known: bool | None = None
        self._metrics_end: tuple[datetime | None] | None = None

    def newest_metric_end(self) -> datetime | None:
        """Where the newest interval of any metric ends; read once."""
        if self._metrics_end is None:
            row = self._connection.execute(_NEWEST_METRIC).fetchone()
            self._metrics_end = (row["ends"] if row else None,)
        return self._metrics_end[0]

    def joined(self, resources: LiteralString) -> tuple[sql.Composed, bool]:
        """A query of resources with the sums as columns w0, w1, …, and whether costs are known.

        Where none are, the query stays as it is.
        """
        if self.windows and self._known is None:
            self._known = self._make()
        if not self._known:
            return sql.Composed([sql.SQL(resources)]), False
        columns = (
            sql.SQL("coalesce(cost.{name}, 0) AS {name}").format(name=sql.Identifier(f"w{place}"))
            for place in range(len(self.windows))
        )
        statement = "SELECT resource.*, {columns} FROM ({resources}) AS resource LEFT JOIN {costs} "
        joined = sql.SQL(statement + "AS cost USING (provider, account_id, resource_id)").format(
            columns=sql.SQL(", ").join(columns),
            resources=sql.SQL(resources),
            costs=sql.Identifier(_COST_TABLE),
        )
        return joined, True

    def of_row(self, row: Mapping[str, Any]) -> dict[Window, Decimal]:
        """The sums of a row of such a query."""
        return {window: row[f"w{place}"] for place, window in enumerate(self.windows)}

    def _make(self) -> bool:
        with readable(self._connection, "costs of resources"):
            ends = newest_cost_days(self._connection)
            if ends is None:
                return False
            longest = max((one.until + one.days for one in self.windows), default=1)
            self._connection.execute(f"DROP TABLE IF EXISTS {_COST_TABLE}")
            columns = sums_sql(self.windows, "effective_cost * usd_rate", "date", "newest.last")
            self._connection.execute(
                sql.SQL(
                    f"CREATE TEMPORARY TABLE {_COST_TABLE} AS "  # noqa: S608 - constants and whole numbers
                    f"SELECT provider, account_id, resource_id, {columns} FROM oco.cloud_costs "
                    "JOIN oco_policy_newest AS newest USING (provider) "
                    "WHERE valid_to IS NULL AND charge_category = 'Usage' "
                    "AND resource_id IS NOT NULL "
                    "AND date > %(after)s AND date <= %(latest)s "
                    "GROUP BY provider, account_id, resource_id"
                ),
                ends.bounds(longest),
            )
            self._connection.execute(f"ANALYZE {_COST_TABLE}")
        return True


class ResourceFigures:
    """Figures of the resources of one batch."""

    def __init__(
        self,
        connection: Connection,
        sums: Sums,
        subjects: Sequence[Subject],
        costs: Sequence[Mapping[Window, Decimal]] | None,
    ) -> None:
        self._connection = connection
        self._source = sums
        self._subjects = subjects
        self._costs = costs
        self._metrics: dict[tuple[Any, ...], dict[int, list[float]]] = {}

    def measure(self, measure: Measure, rows: Sequence[int]) -> Mapping[int, Decimal | None]:
        """Cost or its change; a resource that no charge names costs 0."""
        if self._costs is None:
            return {}
        return {row: of_cost(measure, self._costs[row]) for row in rows}

    def metric(self, metrics: Metrics, rows: Sequence[int]) -> Mapping[int, Sequence[float]]:
        """One figure for each period that has intervals."""
        asked = (metrics.metric, metrics.statistic, metrics.seconds, metrics.period_seconds)
        known = self._metrics.setdefault(asked, {})
        missing = [row for row in rows if row not in known]
        if missing:
            known.update((row, []) for row in missing)
            for place, figure in self._read(metrics, missing):
                known[place].append(figure)
        return known

    def _read(self, metrics: Metrics, rows: Sequence[int]) -> list[tuple[int, float]]:
        with readable(self._connection, f"metric {metrics.metric}"):
            end = self._source.newest_metric_end()
            if end is None:
                return []
            statement = sql.SQL(_METRIC).format(statistic=sql.SQL(_STATISTICS[metrics.statistic]))
            found = self._connection.execute(
                statement,
                {
                    **_asked(self._subjects, rows),
                    "metric": metrics.metric,
                    "start": end - timedelta(seconds=metrics.seconds),
                    "end": end,
                    "period": metrics.period_seconds,
                },
            ).fetchall()
        return [(row["place"], float(row["figure"])) for row in found if row["figure"] is not None]


def _asked(subjects: Sequence[Subject], rows: Sequence[int]) -> dict[str, Any]:
    asked = [subjects[row] for row in rows]
    return {
        "providers": [one.provider for one in asked],
        "accounts": [one.account_id for one in asked],
        "ids": [one.resource_id for one in asked],
        "places": list(rows),
    }
