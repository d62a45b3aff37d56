"""Monthly partitions of the time-partitioned tables: made ahead, dropped after retention."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from oco_warehouse.database import Warehouse, ensure_partitions

PARTITIONED_TABLES: Final = ("api_requests", "cloud_costs")
MONTHS_AHEAD: Final = 3
_MONTHS_A_YEAR: Final = 12
# Marts forget these days, too, the next time that they are built.
_FORGET_DAYS: Final = (
    "UPDATE oco.cloud_cost_days SET changed_by = gen_random_uuid(), changed_at = now() "
    "WHERE date < %s"
)
_FORGET_SUMS: Final = "DELETE FROM oco.cloud_cost_partition_days WHERE date < %s"
_FORGET_TAGS: Final = "DELETE FROM oco.cloud_tag_sets WHERE last_month < %s"


@dataclass(frozen=True, slots=True)
class Maintained:
    """Names of partitions (chunks on TimescaleDB) that were made and dropped."""

    made: Sequence[str]
    dropped: Sequence[str]


def month_offset(day: date, months: int) -> date:
    """First day of the month that lies so many months after (before, if negative) a day's."""
    index = day.year * _MONTHS_A_YEAR + day.month - 1 + months
    return date(index // _MONTHS_A_YEAR, index % _MONTHS_A_YEAR + 1, 1)


def keep_from(today: date, retention_months: int) -> date | None:
    """First day that is kept: this month and `retention_months` before it; None keeps everything.

    Raises:
        ValueError: when the months are negative.
    """
    if retention_months < 0:
        raise ValueError("retention must not be negative")
    return month_offset(today, -retention_months) if retention_months else None


def maintain_partitions(warehouse: Warehouse, today: date, retention_months: int) -> Maintained:
    """Make the partitions of the coming months and drop those that retention lets go of.

    All or nothing, in one transaction.

    Args:
        warehouse: the warehouse.
        today: UTC day.
        retention_months: whole months that are kept beside the current one; 0 keeps everything.
    """
    made: list[str] = []
    dropped: list[str] = []
    first_kept = keep_from(today, retention_months)
    with warehouse.transaction() as connection:
        for table in PARTITIONED_TABLES:
            made += ensure_partitions(connection, table, today, month_offset(today, MONTHS_AHEAD))
            if first_kept is not None:
                rows = connection.execute(
                    "SELECT oco.drop_partitions_before(%s, %s) AS name", [table, first_kept]
                ).fetchall()
                dropped += [row["name"] for row in rows]
                if rows and table == "cloud_costs":
                    connection.execute(_FORGET_DAYS, [first_kept])
                    connection.execute(_FORGET_SUMS, [first_kept])
                    connection.execute(_FORGET_TAGS, [first_kept])
    return Maintained(made, dropped)
