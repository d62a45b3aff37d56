"""Filters of items in a list: the items of all rows are judged as one batch."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.operators import COMPARE
from oco_warehouse.policy_rules.filters import ListItem, needs_whole_groups

_Select = Callable[[Batch, Sequence[int]], list[int]]


def list_item_select(one: ListItem, inner: _Select) -> _Select:
    """Rows of which an item holds, or as many as `count` says."""
    alone = needs_whole_groups(one.filters)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        cells = batch.at_path(one.key).at(rows)
        lists = [_items(cells[row], one.key) for row in rows]
        if alone:
            held = [_held(inner, items, batch) for items in lists]
        else:
            held = _held_together(inner, lists, batch)
        return [
            row
            for row, items, count in zip(rows, lists, held, strict=True)
            if _is_enough(one, count, has_items=bool(items))
        ]

    return select


def _items(found: Any, key: str) -> list[dict[str, Any]]:
    if not found:
        return []
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list but {type(found).__name__}")
    for item in found:
        if not isinstance(item, dict):
            raise TypeError(f"{key} has an item that is no object but {type(item).__name__}")
    return found


def _held(inner: _Select, items: list[dict[str, Any]], batch: Batch) -> int:
    return len(inner(Batch(items, batch.now), range(len(items))))


def _held_together(
    inner: _Select, lists: Sequence[list[dict[str, Any]]], batch: Batch
) -> list[int]:
    flat = [item for items in lists for item in items]
    matched = [0] * (len(flat) + 1)
    for place in inner(Batch(flat, batch.now), range(len(flat))):
        matched[place + 1] = 1
    until = list(accumulate(matched))
    counts, start = [], 0
    for items in lists:
        counts.append(until[start + len(items)] - until[start])
        start += len(items)
    return counts


def _is_enough(one: ListItem, count: int, *, has_items: bool) -> bool:
    if one.count is not None:
        return bool(COMPARE[one.count_op](count, one.count))
    return has_items and count > 0
