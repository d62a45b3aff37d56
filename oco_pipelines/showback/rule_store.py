"""Allocation rules in `oco.cost_allocations`: written in one transaction, read by priority."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from oco_warehouse.allocation_rules import AllocationRule, read_rules
from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.errors import InvalidInputError

_WRITE: Final = """
    INSERT INTO oco.cost_allocations AS known
        (name, priority, method, match, target, enabled, valid_from, valid_to)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET
        priority = excluded.priority, method = excluded.method, match = excluded.match,
        target = excluded.target, enabled = excluded.enabled,
        valid_from = excluded.valid_from, valid_to = excluded.valid_to
    WHERE (known.priority, known.method, known.match, known.target, known.enabled,
           known.valid_from, known.valid_to)
        IS DISTINCT FROM (excluded.priority, excluded.method, excluded.match, excluded.target,
                          excluded.enabled, excluded.valid_from, excluded.valid_to)
    RETURNING xmax = 0 AS added
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How many rules an import added, changed and removed; the others were as they are."""

    added: int
    changed: int
    removed: int


def import_rules(
    warehouse: Warehouse, rules: Sequence[AllocationRule], *, prune: bool = False
) -> Written:
    """Write rules in one transaction; a rule of the same name is replaced.

    Args:
        warehouse: where to.
        rules: checked rules.
        prune: whether rules that are not among them are removed.
    """
    with warehouse.transaction() as connection:
        lock(connection, "cost_allocations")
        return write_rules(connection, rules, prune=prune)


def write_rules(
    connection: Connection, rules: Sequence[AllocationRule], *, prune: bool = False
) -> Written:
    """The same, in the transaction of the caller."""
    added = changed = removed = 0
    for rule in rules:
        row = connection.execute(
            _WRITE,
            [
                *(rule.name, rule.priority, rule.method),
                *(Jsonb(rule.match_json()), Jsonb(rule.target_json())),
                *(rule.enabled, rule.valid_from, rule.valid_to),
            ],
        ).fetchone()
        if row is not None:
            added += bool(row["added"])
            changed += not row["added"]
    if prune:
        removed = connection.execute(
            "DELETE FROM oco.cost_allocations WHERE NOT name = ANY (%s)",
            [[rule.name for rule in rules]],
        ).rowcount
    return Written(added, changed, removed)


def read_stored_rules(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Every rule in the order in which they are tried, each a dict by column name."""
    return warehouse.query(
        "SELECT name, priority, method, match, target, enabled, valid_from, valid_to "
        "FROM oco.cost_allocations ORDER BY priority, name"
    )


def unusable_rules(warehouse: Warehouse) -> list[str]:
    """Stored rules that an import would refuse, as when they were written with SQL; a line each."""
    problems = []
    for row in read_stored_rules(warehouse):
        try:
            read_rules([row])
        except InvalidInputError as error:
            problems.append(str(error))
    return problems
