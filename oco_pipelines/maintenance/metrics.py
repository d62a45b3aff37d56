"""The end of metrics of resources: a table that is read by resource is not partitioned by time."""

from datetime import datetime, timedelta
from typing import Final

from oco_warehouse.database import Warehouse

# Each in a transaction of its own, so that readers and writers never wait for long.
ROWS_A_STEP: Final = 50_000
_FORGET: Final = """
    DELETE FROM oco.resource_metrics WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM oco.resource_metrics WHERE interval_start < %s
        ORDER BY interval_start LIMIT %s
    ))
"""


def forget_metrics(
    warehouse: Warehouse, now: datetime, keep_days: int, step: int = ROWS_A_STEP
) -> int:
    """Delete the intervals that began more than so many days ago, step by step.

    Args:
        warehouse: the warehouse.
        now: aware.
        keep_days: 0 keeps everything.
        step: rows a transaction.

    Returns:
        How many were deleted.

    Raises:
        ValueError: when the days are negative.
    """
    if keep_days < 0:
        raise ValueError("retention must not be negative")
    if keep_days == 0:
        return 0
    forgotten, gone = 0, step
    while gone == step:
        gone = warehouse.execute(_FORGET, [now - timedelta(days=keep_days), step])
        forgotten += gone
    return forgotten
