"""Groups as subjects: few, so that all of them and their measures are read at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from psycopg import sql

from oco_warehouse.errors import PolicyRunError
from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.subjects import Chunk, Subject
from oco_warehouse.policy_rules.filters import Measure, Metrics

MOST_GROUPS: Final = 200_000


class GroupFigures:
    """Measures of groups, computed when the groups were read."""

    def __init__(self, values: Sequence[Mapping[Measure, Decimal | None]]) -> None:
        self._values = values

    def measure(self, measure: Measure, rows: Sequence[int]) -> Mapping[int, Decimal | None]:
        """A measure of some rows."""
        return {row: self._values[row].get(measure) for row in rows}

    def metric(self, metrics: Metrics, rows: Sequence[int]) -> Mapping[int, Sequence[float]]:  # noqa: ARG002
        """Groups have no metrics."""
        return {}


def group_chunk(
    subjects: Sequence[Subject],
    documents: Sequence[dict[str, Any]],
    values: Sequence[Mapping[Measure, Decimal | None]],
    now: datetime,
) -> Chunk:
    """Groups with their documents and measures."""
    return Chunk(subjects, Batch(documents, now, GroupFigures(values)))


def group_subject(
    provider: str,
    account_id: str,
    group: Mapping[str, Any],
    cost: Decimal,
    days: int,
    **more: Any,
) -> Subject:
    """A group by its members, as in `provider aws, account 111`."""
    name = ", ".join(f"{key} {value}" for key, value in group.items())
    facts = {**group, "cost_usd": str(cost), "days": days, **more}
    return Subject(provider, account_id, name, name, None, facts)


def checked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, when they are not too many.

    Raises:
        PolicyRunError: when they are.
    """
    if len(rows) > MOST_GROUPS:
        raise PolicyRunError(f"there are over {MOST_GROUPS} groups; group by less")
    return rows


def named(keys: Sequence[sql.Composable]) -> list[sql.Composable]:
    """Keys as columns k0, k1 and so on."""
    return [
        sql.SQL("{} AS {}").format(key, sql.Identifier(f"k{place}"))
        for place, key in enumerate(keys)
    ]


def numbers(count: int) -> sql.Composable:
    """1, 2, …: the first columns, for GROUP BY and ORDER BY."""
    return sql.SQL(", ").join(sql.Literal(place + 1) for place in range(count))
