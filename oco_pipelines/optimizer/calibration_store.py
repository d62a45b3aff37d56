"""Reads outcomes and keeps what they say of every rule's confidence."""

from datetime import datetime, timedelta
from typing import Final

from oco_pipelines.optimizer.calibration import Bin, Calibration, Outcome, calibrate
from oco_warehouse.database import Warehouse, lock

# Rules, clouds and people change: what is older says little of today.
MEMORY: Final = timedelta(days=365)
_OUTCOMES: Final = """
    SELECT recommendation_type, raw_confidence AS raw, hit
    FROM oco.recommendation_outcomes
    WHERE hit IS NOT NULL AND observed_at >= %s
"""
_WRITE: Final = """
    INSERT INTO oco.recommendation_calibration (
        recommendation_type, raw_from, raw_to, cases, hits, confidence, computed_at
    )
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


def read_calibration(warehouse: Warehouse) -> Calibration:
    """What the last run kept."""
    rows = warehouse.query("""
        SELECT recommendation_type, raw_from, raw_to, cases, hits
        FROM oco.recommendation_calibration
        ORDER BY recommendation_type, raw_from
    """)
    return Calibration([Bin(**row) for row in rows])


def keep_calibration(warehouse: Warehouse, now: datetime) -> Calibration:
    """Calibrate by the outcomes of the last year, for the runs to come."""
    with warehouse.transaction() as connection:
        lock(connection, "recommendation_calibration")
        rows = connection.execute(_OUTCOMES, [now - MEMORY]).fetchall()
        made = calibrate(Outcome(**row) for row in rows)
        connection.execute("DELETE FROM oco.recommendation_calibration")
        with connection.cursor() as cursor:
            cursor.executemany(
                _WRITE,
                [
                    [
                        one.recommendation_type,
                        one.raw_from,
                        one.raw_to,
                        one.cases,
                        one.hits,
                        one.confidence,
                        now,
                    ]
                    for one in made.bins
                ],
            )
    return made
