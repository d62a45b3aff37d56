"""Costs that an account would read and that came by another way already, as by hand.

`cost_overlap` compares whole charges. The same money in other words, as an export and Cost Explorer
have it, is told here by whose it is and when.
"""

from collections.abc import Collection
from datetime import date

from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError


def refuse_other_sources(
    warehouse: Warehouse,
    partition: str,
    source: str,
    provider: str,
    accounts: Collection[str],
    start: date,
    end: date,
) -> None:
    """Refuse to read what is believed from another source.

    Args:
        warehouse: migrated.
        partition: what is to be read, for the message.
        source: the own one.
        provider: aws, azure or gcp.
        accounts: whose costs: ids of billing accounts or of accounts below them.
        start: first day.
        end: the day after the last.

    Raises:
        ConflictError: one line naming where the costs are from and what to do.
    """
    rows = warehouse.query(
        "SELECT source, source_partition, min(date) AS first, max(date) AS last "
        "FROM oco.cloud_cost_partition_days WHERE source <> %s AND provider = %s "
        "AND date >= %s AND date < %s "
        "AND (billing_account_id = ANY(%s) OR account_id = ANY(%s)) "
        "GROUP BY 1, 2 ORDER BY last DESC, 1, 2",
        [source, provider, start, end, list(accounts), list(accounts)],
    )
    if not rows:
        return
    found = rows[0]
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    raise ConflictError(
        f"{partition}: costs of account {', '.join(accounts)} from {found['first']} to "
        f"{found['last']} are loaded already from {found['source_partition']!r} ({found['source']})"
        f"{more}, so money would count twice: let options.since begin after them"
    )
