"""Makes of filters what selects rows of a batch.

Each filter takes the rows that the one before it left, as in Cloud Custodian: what a filter would
fail on does not matter once an earlier one has left it out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from ipaddress import IPv4Address
from typing import Any, Final

from oco_warehouse.errors import PolicyRunError
from oco_warehouse.policy_engine.addresses import is_address_in_network, network_test, read_address
from oco_warehouse.policy_engine.ages import age_select
from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.columns import finder
from oco_warehouse.policy_engine.list_items import list_item_select
from oco_warehouse.policy_engine.operators import (
    COMPARE,
    blank_is_empty,
    constant_test,
    count_test,
    pair_test,
)
from oco_warehouse.policy_engine.reducing import reduce_select
from oco_warehouse.policy_engine.versions import Version
from oco_warehouse.policy_rules.filters import (
    Age,
    CountFilter,
    Filter,
    Group,
    Key,
    ListItem,
    MeasureFilter,
    Metrics,
    ModelAllowList,
    Reduce,
    ValueFilter,
)
from oco_warehouse.times import read_time

Select = Callable[[Batch, Sequence[int]], list[int]]
_CONVERTED_ALONE = ("integer", "float", "size", "unique_size", "normalize", "cidr_size")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Filters that can be asked."""

    select: Select

    def judge(self, batch: Batch, rows: Sequence[int]) -> list[int]:
        """Those of some rows that all filters select, in order.

        Raises:
            PolicyRunError: when a filter cannot judge one of the documents.
        """
        try:
            return self.select(batch, rows)
        except PolicyRunError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())[:300]
            raise PolicyRunError(f"{type(error).__name__}: {said}") from error


def compile_filters(filters: Sequence[Filter]) -> Compiled:
    """Filters of which all must hold."""
    return Compiled(_all_of(filters))


def _all_of(filters: Sequence[Filter]) -> Select:
    selects = [_compile(one) for one in filters]

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        for one in selects:
            if not rows:
                break
            rows = one(batch, rows)
        return list(rows)

    return select


def _compile(one: Filter) -> Select:
    if isinstance(one, ListItem):
        return list_item_select(one, _all_of(one.filters))
    return _COMPILERS[type(one)](one)


def _group(group: Group) -> Select:
    if group.kind == "and":
        return _all_of(group.filters)
    if group.kind == "not":
        inner = _all_of(group.filters)

        def none_of(batch: Batch, rows: Sequence[int]) -> list[int]:
            held = set(inner(batch, rows))
            return [row for row in rows if row not in held]

        return none_of
    selects = [_compile(one) for one in group.filters]

    def any_of(batch: Batch, rows: Sequence[int]) -> list[int]:
        held: set[int] = set()
        for one in selects:
            held.update(one(batch, rows))
        return [row for row in rows if row in held]

    return any_of


def _value(one: ValueFilter) -> Select:
    if one.value_path is not None:
        return _against_path(one, one.value_path)
    match one.value_type:
        case None:
            test = constant_test(one.op, one.value, one.pattern)

            def select(batch: Batch, rows: Sequence[int]) -> list[int]:
                cells = batch.found(one.key).at(rows)
                return [row for row in rows if test(cells[row])]

            return select
        case "swap" | "expr":
            return _against_resource(one)
        case "age" | "expiration":
            return _against_now(one)
        case _:
            return _against_constant(one)


def _against_constant(one: ValueFilter) -> Select:
    """Converted values against the constant, which is converted alike where its type says so."""
    kind, test = one.value_type or "", pair_test(one.op, one.pattern)
    blank, wanted, is_address = blank_is_empty(one.op), one.value, kind == "cidr"
    if kind == "date":
        wanted = read_time(wanted)
    elif kind == "version":
        wanted = Version(wanted)
    elif is_address:
        wanted = read_address(wanted)
    membership = network_test(one.op, wanted) if is_address else None

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        cells = batch.converted(one.key, kind, blank_is_empty=blank).at(rows)
        if membership is not None:
            return [
                row
                for row in rows
                if (
                    membership(cells[row])
                    if type(cells[row]) is IPv4Address
                    else _address_test(test, cells[row], wanted)
                )
            ]
        if is_address:
            return [row for row in rows if _address_test(test, cells[row], wanted)]
        return [row for row in rows if test(cells[row], wanted)]

    return select


def _address_test(test: Callable[[Any, Any], bool], found: Any, wanted: Any) -> bool:
    if is_address_in_network(wanted, found):
        return test(wanted, found)
    return test(found, wanted)


def _against_now(one: ValueFilter) -> Select:
    """Dates against now, less or plus a number of days. An age compares the other way round."""
    kind, test = one.value_type or "", pair_test(one.op, None)
    span = timedelta(one.value)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        blank = blank_is_empty(one.op)
        cells = batch.converted(one.key, kind, blank_is_empty=blank).at(rows)
        if kind == "age":
            since = batch.now - span
            return [row for row in rows if test(since, cells[row])]
        until = batch.now + span
        return [row for row in rows if test(cells[row], until)]

    return select


def _against_resource(one: ValueFilter) -> Select:
    """`swap`: the constant against the value; `expr`: the value against what another key finds."""
    test, blank = pair_test(one.op, None), blank_is_empty(one.op)
    other = Key(one.value, one.key.capture, one.key.tag_transforms)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        cells = batch.found(one.key).at(rows)
        values = [() if blank and cells[row] is None else cells[row] for row in rows]
        if one.value_type == "swap":
            pairs = zip(rows, values, strict=True)
            return [row for row, value in pairs if test(one.value, value)]
        wanted = batch.found(other).at(rows)
        pairs = zip(rows, values, strict=True)
        return [row for row, value in pairs if test(value, wanted[row])]

    return select


def _against_path(one: ValueFilter, path: str) -> Select:
    test, blank = pair_test(one.op, None), blank_is_empty(one.op)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        wanted = batch.at_path(path).at(rows)
        if one.value_type in _CONVERTED_ALONE:
            column = batch.converted(one.key, one.value_type, blank_is_empty=blank)
        else:
            column = batch.found(one.key)
        cells = column.at(rows)
        values = [() if blank and cells[row] is None else cells[row] for row in rows]
        pairs = zip(rows, values, strict=True)
        if one.value_type == "swap":
            return [row for row, value in pairs if test(wanted[row], value)]
        return [row for row, value in pairs if test(value, wanted[row])]

    return select


def _count(one: CountFilter) -> Select:
    test = count_test(one.op, one.value)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:  # noqa: ARG001
        return list(rows) if test(len(rows)) else []

    return select


def _measure(one: MeasureFilter) -> Select:
    compare, wanted = COMPARE[one.op], one.value

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        known = batch.measured(one.measure, rows)
        return [row for row in rows if (found := known[row]) is not None and compare(found, wanted)]

    return select


def _metrics(one: Metrics) -> Select:
    compare = COMPARE[one.op]

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        known = batch.figures.metric(one, rows)
        filled = () if one.missing is None else (one.missing,)
        return [
            row
            for row in rows
            if (figures := known.get(row) or filled)
            and all(compare(figure, one.value) for figure in figures)
        ]

    return select


def _model_list(one: ModelAllowList) -> Select:
    find = finder(Key("models"))

    def is_allowed(model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in one.models)

    def select(batch: Batch, rows: Sequence[int]) -> list[int]:
        return [
            row
            for row in rows
            if not all(is_allowed(model) for model in find(batch.documents[row]) or ())
        ]

    return select


_COMPILERS: Final[dict[type[Any], Callable[[Any], Select]]] = {
    ValueFilter: _value,
    Group: _group,
    Age: age_select,
    Metrics: _metrics,
    MeasureFilter: _measure,
    CountFilter: _count,
    Reduce: reduce_select,
    ModelAllowList: _model_list,
}
