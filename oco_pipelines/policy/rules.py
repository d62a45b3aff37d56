"""The grammar of policy rules: Cloud Custodian's value filters, and a cost filter of our own.

    {"filters": [
        {"type": "value", "key": "tags.team", "value": "absent"},
        {"type": "cost", "days": 30, "op": "gt", "value": "1.00"},
        {"or": [{"type": "value", "key": "region", "op": "in", "value": ["eu-west-1"]}, …]}
    ]}

All filters of a list must hold; `and`, `or` and `not` nest. Pure: a rule and a resource in, a truth
out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import parse_money

DEEPEST: Final = 10
LONGEST_PATTERN: Final = 200
_BLANK: Final = (None, "")


@dataclass(frozen=True, slots=True)
class BilledResource:
    """A resource as the bill knows it.

    Attributes:
        attributes: provider, account_id, resource_id, resource_type, service, region, tags.
        cost_usd: effective cost in USD over the days that the caller summed.
    """

    attributes: Mapping[str, Any]
    cost_usd: Decimal


Predicate = Callable[[BilledResource], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule.

    Attributes:
        holds: True for resources that break the policy.
        days: window of the cost filters, or None when the rule has none.
    """

    holds: Predicate
    days: int | None


def compile_rule(rules: Any) -> Rule:
    """Check a rule and make it callable.

    Raises:
        InvalidInputError: when it is not of the grammar; the message says which part.
    """
    if not isinstance(rules, Mapping) or not isinstance(rules.get("filters"), list):
        raise InvalidInputError('a rule must be an object with a list "filters"')
    if not rules["filters"]:
        raise InvalidInputError('"filters" must not be empty: every resource would break the rule')
    days: set[int] = set()
    holds = _all(rules["filters"], days, 0)
    if len(days) > 1:
        raise InvalidInputError("all cost filters of a rule must have the same days")
    return Rule(holds, next(iter(days), None))


def _all(filters: Any, days: set[int], depth: int) -> Predicate:
    parts = _compile_list(filters, days, depth)
    return lambda resource: all(part(resource) for part in parts)


def _compile_list(filters: Any, days: set[int], depth: int) -> list[Predicate]:
    if depth > DEEPEST:
        raise InvalidInputError(f"a rule nests deeper than {DEEPEST}")
    if not isinstance(filters, list) or not filters:
        raise InvalidInputError("and, or and not need a list of filters")
    return [_compile(part, days, depth) for part in filters]


def _compile(part: Any, days: set[int], depth: int) -> Predicate:
    if not isinstance(part, Mapping):
        raise InvalidInputError(f"a filter must be an object, not {part!r}")
    if "and" in part:
        return _all(part["and"], days, depth + 1)
    if "or" in part:
        parts = _compile_list(part["or"], days, depth + 1)
        return lambda resource: any(one(resource) for one in parts)
    if "not" in part:
        inner = _all(part["not"], days, depth + 1)
        return lambda resource: not inner(resource)
    if part.get("type") == "value":
        return _value_filter(part)
    if part.get("type") == "cost":
        return _cost_filter(part, days)
    raise InvalidInputError(f"unknown filter type {part.get('type')!r}; known: value, cost")


def _value_filter(part: Mapping[str, Any]) -> Predicate:
    key, wanted, op = part.get("key"), part.get("value"), part.get("op")
    if not isinstance(key, str) or not key:
        raise InvalidInputError("a value filter needs a key such as tags.team")
    path = key.split(".", 1)
    if op is None and wanted in ("absent", "present", "empty", "not-null"):
        blank = wanted in ("absent", "empty")
        return lambda resource: (_look_up(resource, path) in _BLANK) == blank
    compare = _comparison(str(op or "eq"), wanted)
    return lambda resource: compare(_look_up(resource, path))


def _look_up(resource: BilledResource, path: Sequence[str]) -> Any:
    value = resource.attributes.get(path[0])
    if len(path) == 1:
        return value
    # Tag keys may hold dots, so that everything after the first one is the key.
    return value.get(path[1]) if isinstance(value, Mapping) else None


def _comparison(op: str, wanted: Any) -> Callable[[Any], bool]:
    if op in ("in", "not-in"):
        if not isinstance(wanted, list):
            raise InvalidInputError(f"{op} needs a list")
        return lambda value: (value in wanted) == (op == "in")
    if op == "regex":
        if not isinstance(wanted, str) or len(wanted) > LONGEST_PATTERN:
            raise InvalidInputError(f"regex needs a text of at most {LONGEST_PATTERN} characters")
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise InvalidInputError(f"{wanted!r} is not a regular expression: {error}") from None
        return lambda value: isinstance(value, str) and pattern.match(value) is not None
    if op in ("eq", "equal"):
        return lambda value: bool(value == wanted)
    if op in ("ne", "not-equal"):
        return lambda value: bool(value != wanted)
    if op == "contains":
        return lambda value: isinstance(value, str | list) and wanted in value
    raise InvalidInputError(
        f"unknown op {op!r}; known: eq, ne, in, not-in, contains, regex, or value absent/present"
    )


def _cost_filter(part: Mapping[str, Any], days: set[int]) -> Predicate:
    window, op = part.get("days", 30), str(part.get("op", "gt"))
    if not isinstance(window, int) or isinstance(window, bool) or not 1 <= window <= 366:
        raise InvalidInputError("days of a cost filter must be a whole number from 1 to 366")
    value = part.get("value")
    if isinstance(value, float | bool) or value is None:
        raise InvalidInputError('the value of a cost filter is dollars as text, as in "1.00"')
    limit = parse_money(str(value))
    days.add(window)
    match op:
        case "gt":
            return lambda resource: resource.cost_usd > limit
        case "ge" | "gte":
            return lambda resource: resource.cost_usd >= limit
        case "lt":
            return lambda resource: resource.cost_usd < limit
        case "le" | "lte":
            return lambda resource: resource.cost_usd <= limit
    raise InvalidInputError(f"unknown op {op!r} of a cost filter; known: gt, ge, lt, le")
