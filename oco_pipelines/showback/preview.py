"""What rules would move in a month, before they are enabled.

The answer comes from the view that the mart is made of: rules are written and enabled in a
transaction that is rolled back, so that there is one formula and nothing is changed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import psycopg

from oco_pipelines.showback.rule_store import write_rules
from oco_warehouse.allocation_rules import AllocationRule
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.errors import NotFoundError, WarehouseError
from oco_warehouse.money import ZERO

_SHARES: Final = """
    SELECT rule_name, allocation, team, sum(effective_cost_usd) AS amount
    FROM intermediate.int_showback_shares
    WHERE usage_month = %s
    GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Move:
    """What a rule gives a team in the month, in USD.

    Attributes:
        now: with the rules as they are.
        then: with the rules enabled.
    """

    rule: str
    allocation: str
    team: str
    now: Decimal
    then: Decimal


def preview(
    warehouse: Warehouse,
    month: date,
    rules: Sequence[AllocationRule] = (),
    only: Collection[str] = (),
) -> list[Move]:
    """What every rule gives every team in a month, now and with rules enabled.

    Args:
        warehouse: which; its marts are built.
        month: first day of the month of use.
        rules: rules of a file, taken as if they were imported.
        only: names of the rules to enable; empty: all of them.

    Raises:
        NotFoundError: when a name of `only` is no rule's.
        WarehouseError: when the marts are not built yet.
    """
    with warehouse.transaction() as connection:
        now = _shares(connection, month)
        write_rules(connection, rules)
        names = {
            row["name"]
            for row in connection.execute("SELECT name FROM oco.cost_allocations").fetchall()
        }
        if missing := sorted(set(only) - names):
            raise NotFoundError(f"there is no allocation rule {missing[0]!r}")
        connection.execute(
            "UPDATE oco.cost_allocations SET enabled = true WHERE name = ANY (%s)",
            [sorted(only or names)],
        )
        then = _shares(connection, month)
        connection.rollback()
    return [
        Move(*key, now.get(key, ZERO), then.get(key, ZERO)) for key in sorted(now.keys() | then)
    ]


def _shares(connection: Connection, month: date) -> dict[tuple[str, str, str], Decimal]:
    try:
        rows = connection.execute(_SHARES, [month]).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise WarehouseError("the marts are not built yet: run `oco dbt build`") from None
    return {(row["rule_name"], row["allocation"], row["team"]): row["amount"] for row in rows}
