"""Reads Cloud Custodian's value filters, resource counts included."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules import reading
from oco_warehouse.policy_rules.filters import CountFilter, ValueFilter
from oco_warehouse.policy_rules.grammar import DAY_TYPES, OPS, REGEX_OPS, VALUE_TYPES
from oco_warehouse.policy_rules.keys import TAG, check_path, read_key
from oco_warehouse.policy_rules.patterns import LONGEST_PATTERN, read_pattern
from oco_warehouse.policy_rules.reading import shown
from oco_warehouse.times import read_time

_MEMBERS: Final = (
    *("type", "key", "op", "value", "value_type", "value_path", "value_regex"),
    *("tag_key_transforms", "default", "value_from"),
)
# What these compare is no text, and sets of addresses would be listed one by one.
_REGEX_TYPES: Final = (None, "normalize")
_ADDRESS_TYPES: Final = ("cidr", "cidr_size")
_SET_OPS: Final = ("difference", "intersect")
# Their constant is converted once, before any resource is seen.
_CONSTANT_TYPES: Final = (*DAY_TYPES, "expr", "version", "cidr", "date")
_LIST_OPS: Final = ("in", "ni", "not-in")
_COUNT_OPS: Final = ("eq", "ne", "gt", "ge", "lt", "le", "mod")


def read_short(key: str, value: object, where: str) -> ValueFilter:
    """`{key: value}`, which compares for equality, or with a word such as absent.

    Raises:
        InvalidRuleError: when key or value cannot be used.
    """
    if isinstance(value, list) and value:
        raise InvalidRuleError(
            f"{where}.{key}",
            "a list needs the long form: {type: value, key: …, op: in, value: […]}",
        )
    return ValueFilter(read_key({}, key, where), None, reading.constant(value, f"{where}.{key}"))


def read_value(entry: Mapping[str, Any], where: str) -> ValueFilter | CountFilter:
    """A filter of the type value.

    Raises:
        InvalidRuleError: naming the member that is wrong.
    """
    reading.known_members(entry, where, _MEMBERS)
    _check_unsupported(entry, where)
    op = OPS[reading.one_of(entry, "op", where, tuple(OPS))] if "op" in entry else None
    value_type = None
    if "value_type" in entry:
        value_type = reading.one_of(entry, "value_type", where, VALUE_TYPES)
    if value_type == "resource_count":
        return _read_count(entry, op, where)
    key = read_key(entry, reading.text(entry, "key", where), where)
    path = _read_value_path(entry, value_type, where)
    value = reading.constant(entry.get("value"), f"{where}.value")
    pattern = None
    if op in REGEX_OPS:
        if path is not None:
            raise InvalidRuleError(f"{where}.value_path", "a regex must be a constant")
        if value_type not in _REGEX_TYPES:
            raise InvalidRuleError(
                f"{where}.value_type", f"{value_type} gives no text that a regex could match"
            )
        pattern = read_pattern(value, f"{where}.value", ignore_case=op == "regex")
    _check_op(op, value_type, where)
    if path is None:
        _check_value(op, value, value_type, f"{where}.value")
    return ValueFilter(key, op, value, value_type, path, pattern)


def _check_unsupported(entry: Mapping[str, Any], where: str) -> None:
    if "value_from" in entry:
        raise InvalidRuleError(
            f"{where}.value_from",
            "cannot run here: it fetches a file when it runs; write the values into the policy",
        )
    if "default" in entry:
        raise InvalidRuleError(f"{where}.default", "has no effect in Cloud Custodian; leave it out")


def _read_value_path(entry: Mapping[str, Any], value_type: str | None, where: str) -> str | None:
    if "value_path" not in entry:
        if "value" not in entry:
            raise InvalidRuleError(f"{where}.value", "is needed")
        return None
    if "value" in entry:
        raise InvalidRuleError(f"{where}.value", "leave it out: value_path takes its place")
    if value_type in _CONSTANT_TYPES:
        raise InvalidRuleError(f"{where}.value_type", f"{value_type} needs a constant value")
    path = reading.text(entry, "value_path", where)
    check_path(path, f"{where}.value_path")
    return path


def _check_op(op: str | None, value_type: str | None, where: str) -> None:
    if value_type in _ADDRESS_TYPES and op in _SET_OPS:
        raise InvalidRuleError(f"{where}.op", f"{op} would list every address of a network")


def _check_value(op: str | None, value: Any, value_type: str | None, at: str) -> None:
    """Refuse constants with which a filter could only fail when it runs."""
    if op == "glob" and isinstance(value, str) and len(value) > LONGEST_PATTERN:
        raise InvalidRuleError(at, f"a glob has at most {LONGEST_PATTERN} characters")
    if op == "mod" and value_type != "swap" and value == 0:
        raise InvalidRuleError(at, "nothing can be divided by 0")
    if value_type in DAY_TYPES:
        _check_days(value, at)
    elif value_type == "date" and read_time(value) is None:
        raise InvalidRuleError(at, f"must be a date as text, as in 2026-11-23, not {shown(value)}")
    elif value_type == "expr":
        _check_expression(value, at)
    elif value_type == "version" and (not isinstance(value, str) or not value):
        raise InvalidRuleError(at, f"must be a version as text, not {shown(value)}")
    elif value_type == "cidr" and not _is_address(value):
        raise InvalidRuleError(
            at, f"must be an address or network as text, or a list of them, not {shown(value)}"
        )


def _check_expression(value: Any, at: str) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidRuleError(at, f"must be a JMESPath expression, not {shown(value)}")
    if not value.startswith(TAG):
        check_path(value, at)


def _check_days(value: Any, at: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidRuleError(at, f"must be a number of days, not {shown(value)}")
    if abs(value) > timedelta(days=365_000).days:
        raise InvalidRuleError(at, "must be within a thousand years")


def _is_address(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _read_count(entry: Mapping[str, Any], op: str | None, where: str) -> CountFilter:
    for name in ("value_regex", "value_path", "tag_key_transforms"):
        if name in entry:
            raise InvalidRuleError(f"{where}.{name}", "has no meaning for a resource_count")
    if op is None:
        raise InvalidRuleError(f"{where}.op", "is needed")
    value = reading.constant(entry.get("value"), f"{where}.value")
    if isinstance(value, bool) or not isinstance(value, int | list):
        raise InvalidRuleError(f"{where}.value", f"must be a whole number, not {shown(value)}")
    known = _LIST_OPS if isinstance(value, list) else _COUNT_OPS
    if op not in known:
        raise InvalidRuleError(
            f"{where}.op", f"must be one of {', '.join(known)} for this value, not {op}"
        )
    if op == "mod" and value == 0:
        raise InvalidRuleError(f"{where}.value", "nothing can be divided by 0")
    return CountFilter(op, value)
