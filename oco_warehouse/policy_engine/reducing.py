"""`reduce`: groups rows, sorts each group, and leaves its first ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.columns import finder
from oco_warehouse.policy_rules.filters import Reduce, SortBy
from oco_warehouse.times import read_time

_FIRST: dict[str, Any] = {"number": -inf, "date": datetime.min.replace(tzinfo=UTC), "string": ""}
_LAST: dict[str, Any] = {
    "number": inf,
    "date": datetime.max.replace(tzinfo=UTC),
    "string": "\uffff",
}


@dataclass(slots=True)
class _Rows:
    sort_key: Any
    rows: list[int] = field(default_factory=list)


def reduce_select(one: Reduce) -> Callable[[Batch, Sequence[int]], list[int]]:
    """Rows that the groups leave, in the order of the batch."""
    group_of, order_of = _sort_key(one, one.group_by), _sort_key(one, one.sort_by)

    def ordered(items: list[Any], key: Callable[[Any], Any]) -> list[Any]:
        if one.order == "reverse":
            return items[::-1]
        return sorted(items, key=key, reverse=one.order == "desc")

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        documents = batch.documents
        groups: dict[str, _Rows] = {}
        for row in rows:
            found = group_of(documents[row])
            groups.setdefault(str(found), _Rows(found)).rows.append(row)
        members = list(groups.values())
        if one.is_grouped:
            members = ordered(members, lambda group: group.sort_key)
        left: list[int] = []
        for group in members:
            inside = group.rows
            if one.is_sorted:
                inside = ordered(inside, lambda row: order_of(documents[row]))
            left += _limited(one, inside)
        return sorted(left)

    return select


def _limited(one: Reduce, rows: list[int]) -> list[int]:
    dropped = max(one.discard, int(one.discard_percent / 100 * len(rows)))
    rows = rows[dropped:]
    count = len(rows)
    if one.limit_percent > 0:
        count = int(one.limit_percent / 100 * len(rows))
    if 0 < one.limit < count:
        count = one.limit
    return rows[:count]


def _sort_key(one: Reduce, by: SortBy) -> Callable[[Any], Any]:
    """What a document sorts by; what is missing, or is no such value, comes first or last."""
    first = one.nulls_last == (one.order == "desc")
    blank = (_FIRST if first else _LAST)[by.kind]
    if by.key is None:
        return lambda _: blank
    find = finder(by.key)

    def key(document: Any) -> Any:
        try:
            value = _sortable(find(document), by.kind)
        except (AttributeError, ValueError):
            value = None
        return blank if value is None else value

    return key


def _sortable(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "number":
        return float(value)
    return read_time(value) if kind == "date" else str(value)
