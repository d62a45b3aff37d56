"""Writes reports to `oco.reports`, each period once."""

from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from oco_pipelines.llm.report.figures import LENGTHS, Report, last_complete
from oco_pipelines.llm.report.page import report_page
from oco_pipelines.llm.report.reading import read_report
from oco_warehouse.database import Warehouse

_WRITE: Final = """
    INSERT INTO oco.reports (kind, period_start, period_end, html, json)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (kind, period_start) DO UPDATE SET
        period_end = excluded.period_end, html = excluded.html, json = excluded.json,
        created_at = now()
"""


def write_reports(warehouse: Warehouse, now: datetime) -> list[Report]:
    """Write the reports of the last complete day and week, in one transaction.

    Args:
        warehouse: the warehouse.
        now: aware, UTC.

    Returns:
        What was written, the daily one first.
    """
    reports = [read_report(warehouse, kind, last_complete(kind, now)[0], now) for kind in LENGTHS]
    with warehouse.transaction() as connection:
        for report in reports:
            connection.execute(
                _WRITE,
                [
                    report.kind,
                    report.start,
                    report.end,
                    report_page(report),
                    Jsonb(report.to_json()),
                ],
            )
    return reports
