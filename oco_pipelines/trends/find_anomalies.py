"""Judges every service and the total by what the warehouse holds; reads, decides, keeps."""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from oco_pipelines.trends.anomaly import REPORTED, episodes
from oco_pipelines.trends.anomaly_store import Anomaly, Kept, keep_anomalies
from oco_pipelines.trends.daily_cost import filled, settled_day
from oco_pipelines.trends.driver import driver
from oco_pipelines.trends.reading import read_newest_days, read_parts, read_series
from oco_warehouse.database import Warehouse


class Found(NamedTuple):
    """What a run found; `settled` is the newest day that was judged, None without any cost."""

    kept: Kept
    settled: date | None
    series: int


def find_anomalies(
    warehouse: Warehouse, now: datetime, *, settling_days: int, floor_usd: Decimal
) -> Found:
    """Bring `oco.cost_anomalies` up to the newest settled day.

    Args:
        warehouse: the warehouse, its marts built.
        now: aware, UTC.
        settling_days: newest days of each provider that are not judged.
        floor_usd: no smaller excess is told.

    Raises:
        ConflictError: when the marts were never built.
    """
    newest = read_newest_days(warehouse, now)
    settled = settled_day(newest.values(), settling_days)
    if settled is None:
        return Found(Kept(0, 0, 0, 0), None, 0)
    judged_from = settled - REPORTED
    found = []
    series = 0
    for subject, costs in read_series(warehouse, max(newest.values())):
        series += 1
        until = settled
        if subject.level == "service":
            until = settled_day([newest[subject.provider]], settling_days) or settled
        for episode in episodes(filled(costs, until), floor_usd):
            if episode.last_day < judged_from:
                continue
            parts = read_parts(warehouse, subject, episode.first_day, episode.last_day)
            sign = 1 if episode.direction == "spike" else -1
            found.append(Anomaly(subject, episode, driver(parts, sign)))
    return Found(keep_anomalies(warehouse, found, judged_from, settled), settled, series)
