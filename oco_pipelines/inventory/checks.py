"""The promises of the asset resources, each a list of what breaks it."""

from datetime import timedelta
from typing import Any, Final

from oco_warehouse.database import Warehouse

STALE_AFTER: Final = timedelta(days=2)


def permissions(warehouse: Warehouse) -> list[str]:
    """Permissions that an account lacks, with what is not seen for it."""
    rows = warehouse.query(
        "SELECT source, permission, string_agg(DISTINCT resource_type, ', ') AS kinds, "
        "string_agg(DISTINCT nullif(region, ''), ', ') AS regions "
        "FROM oco.inventory_listings WHERE permission IS NOT NULL "
        "GROUP BY source, permission ORDER BY source, permission"
    )
    return [
        f"account {row['source']}: {row['permission']} is missing for {row['kinds']}"
        f"{_in(row)}: see `oco sources check {row['source']}`"
        for row in rows
    ]


def failures(warehouse: Warehouse) -> list[str]:
    """Listings that broke off."""
    rows = warehouse.query(
        "SELECT source, resource_type, region, problem FROM oco.inventory_listings "
        "WHERE status = 'failed' ORDER BY source, region, resource_type"
    )
    return [
        f"account {row['source']}: {row['resource_type']}"
        f"{' in ' + row['region'] if row['region'] else ''} was not listed whole: {row['problem']}"
        for row in rows
    ]


def freshness(warehouse: Warehouse) -> list[str]:
    """Accounts that were not listed lately."""
    rows = warehouse.query(
        "SELECT source, max(attempted_at) AS newest FROM oco.inventory_listings "
        "GROUP BY source HAVING max(attempted_at) < now() - %s ORDER BY source",
        [STALE_AFTER],
    )
    return [
        f"account {row['source']}: was listed last at {row['newest']:%Y-%m-%d %H:%M} UTC"
        for row in rows
    ]


def _in(row: dict[str, Any]) -> str:
    return f" in {row['regions']}" if row["regions"] else ""
