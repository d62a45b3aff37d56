"""Reads a policy's rules.

    {"resource": "aws.ec2", "filters": [
        {"tag:owner": "absent"},
        {"or": [{"type": "value", "key": "State.Name", "value": "stopped"}, "cost_last_30d > 500"]}
    ]}

All filters of a list must hold. `resource` is a kind of resource as Cloud Custodian names it, a
list of those, or a scope of ours. Scopes that are made by grouping take `group_by` and `days`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules import grammar, reading
from oco_warehouse.policy_rules.filters import Filter, Group, ListItem
from oco_warehouse.policy_rules.keys import TAG, check_path, root_members
from oco_warehouse.policy_rules.reading import shown
from oco_warehouse.policy_rules.short_texts import EXAMPLES, is_short_text, read_short_text
from oco_warehouse.policy_rules.special_filters import (
    CONDITION_TYPES,
    MEASURE_TYPES,
    MOST_DAYS,
    comparison,
    read_age,
    read_condition,
    read_measure,
    read_metrics,
    read_model_list,
    read_reduce,
)
from oco_warehouse.policy_rules.value_filters import read_short, read_value
from oco_warehouse.resource_types import RESOURCE_TYPES

DEEPEST: Final = 10
MOST_FILTERS: Final = 300
DEFAULT_DAYS: Final = 30
_GROUPS: Final = ("and", "or", "not")
_ROOT: Final = "filters"
_VARIABLE: Final = re.compile(r"\{(account_id|account|region|partition|now|policy|event|op)[^}]*\}")


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that were read.

    Attributes:
        resources: kinds of resources, or one scope.
        filters: all of them must hold.
        group_by: what the scope's subjects are grouped by; empty where they are not.
        days: window of what the subjects say of themselves, where they are grouped or billed.
    """

    resources: tuple[str, ...]
    filters: tuple[Filter, ...]
    group_by: tuple[str, ...]
    days: int

    @property
    def scope(self) -> str:
        """Which kind of subjects are judged."""
        first = self.resources[0]
        return first if first in grammar.SCOPES else grammar.ANY_RESOURCE


@dataclass(slots=True)
class _Reader:
    resources: tuple[str, ...]
    seen: int = 0
    in_items: bool = False

    def all_of(self, entries: object, where: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(entries, list) or not entries:
            raise InvalidRuleError(where, "must be a list of filters that is not empty")
        if depth > DEEPEST:
            raise InvalidRuleError(where, f"filters nest at most {DEEPEST} deep")
        return tuple(
            self.one(entry, f"{where}[{place}]", depth) for place, entry in enumerate(entries)
        )

    def one(self, entry: object, where: str, depth: int) -> Filter:
        self.seen += 1
        if self.seen > MOST_FILTERS:
            raise InvalidRuleError(where, f"a policy has at most {MOST_FILTERS} filters")
        if isinstance(entry, str):
            if is_short_text(entry):
                return self.typed(read_short_text(entry, where), where, depth)
            return self.typed({"type": entry}, where, depth, where)
        if not isinstance(entry, Mapping):
            raise InvalidRuleError(where, f"a filter is an object or a text, not {shown(entry)}")
        if len(entry) == 1 and "type" not in entry:
            ((name, value),) = entry.items()
            if not isinstance(name, str) or not name:
                raise InvalidRuleError(where, f"{shown(name)} is no key")
            if name in _GROUPS:
                return Group(name, self.all_of(value, f"{where}.{name}", depth + 1))  # type: ignore[arg-type]
            short = read_short(name, value, where)
            self.check_read(name, f"{where}.{name}")
            return short
        kind = entry.get("type")
        if not isinstance(kind, str) or not kind:
            raise InvalidRuleError(f"{where}.type", "is needed: which filter it is")
        return self.typed(entry, where, depth)

    def typed(
        self, entry: Mapping[str, Any], where: str, depth: int, at: str | None = None
    ) -> Filter:
        """A filter by its `type`; `at` is where that stands, when it is not `where.type`."""
        kind, at = entry["type"], at or f"{where}.type"
        if kind == "value":
            found = read_value(entry, where)
            names = ["key", "value_path"]
            names += ["value"] if entry.get("value_type") == "expr" else []
            for name in names:
                self.check_read(entry.get(name), f"{where}.{name}")
            return found
        if kind == "reduce":
            return read_reduce(entry, where)
        if self.in_items:
            raise InvalidRuleError(
                at, f"{kind} is no filter of list items; known: value, reduce, and, or, not"
            )
        if kind == "list-item":
            return self.list_item(entry, where, depth)
        special = self.condition(entry, where) or self.of_inventory(entry, where)
        if special is None:
            raise InvalidRuleError(at, _unknown(kind, self.resources[0]))
        return special

    def check_read(self, path: object, where: str) -> None:
        """Refuse what Cloud Custodian would find at a path, and inventory does not have."""
        if self.in_items or not isinstance(path, str) or path.startswith(TAG):
            return
        for resource in self.resources:
            for name in sorted(grammar.UNREAD.get(resource, frozenset()) & root_members(path)):
                raise InvalidRuleError(
                    where, f"{name} cannot be judged here: the inventory of {resource} lacks it"
                )

    def condition(self, entry: Mapping[str, Any], where: str) -> Filter | None:
        """What Cloud Custodian lacks; None for another filter."""
        kind, resource = entry["type"], self.resources[0]
        if kind in MEASURE_TYPES:
            return read_measure(entry, where, resource)
        if kind in CONDITION_TYPES:
            return read_condition(entry, where, resource)
        if kind == "model-allow-list":
            return read_model_list(entry, where, resource)
        return None

    def of_inventory(self, entry: Mapping[str, Any], where: str) -> Filter | None:
        """What only resources of the inventory have: metrics and ages; None for another filter."""
        kind, resource = entry["type"], self.resources[0]
        if resource in grammar.SCOPES and resource != grammar.ANY_RESOURCE:
            return None
        if kind == "metrics":
            return read_metrics(entry, where)
        if kind == "age" or any((one, kind) in grammar.AGE_DATES for one in self.resources):
            return read_age(entry, where, self.resources)
        return None

    def list_item(self, entry: Mapping[str, Any], where: str, depth: int) -> ListItem:
        reading.known_members(entry, where, ("type", "key", "attrs", "count", "count_op"))
        key = reading.text(entry, "key", where)
        check_path(key, f"{where}.key")
        self.check_read(key, f"{where}.key")
        count = None
        if "count" in entry:
            count = reading.number(entry, "count", where, least=0, most=1_000_000)
        elif "attrs" not in entry:
            raise InvalidRuleError(f"{where}.attrs", "is needed where there is no count")
        attrs: tuple[Filter, ...] = ()
        if "attrs" in entry:
            self.in_items = True
            try:
                attrs = self.all_of(entry["attrs"], f"{where}.attrs", depth + 1)
            finally:
                self.in_items = False
        return ListItem(key, attrs, count, comparison(entry, "count_op", where, "eq"))


def parse_rules(rules: object) -> Rules:
    """Check rules and make them typed.

    Raises:
        InvalidRuleError: one line that begins with the path of what is wrong.
    """
    if not isinstance(rules, Mapping):
        raise InvalidRuleError("rules", f"must be an object, not {shown(rules)}")
    if "actions" in rules:
        raise InvalidRuleError(
            "actions", "never run here; keep them beside the rules, where an export finds them"
        )
    reading.known_members(rules, "rules", ("resource", "filters", "group_by", "days"))
    resources = _read_resources(rules.get("resource"))
    scope = resources[0]
    group_by = _read_group_by(rules, scope)
    days = DEFAULT_DAYS
    if "days" in rules:
        if scope not in {*grammar.GROUPINGS, grammar.BILLED_RESOURCE}:
            raise InvalidRuleError("days", f"{scope} has no window; a filter such as cost has one")
        days = reading.whole(rules, "days", "rules", least=1, most=MOST_DAYS, default=DEFAULT_DAYS)
    filters = _Reader(resources).all_of(rules.get("filters"), _ROOT, 0)
    _refuse_variables(rules["filters"], _ROOT)
    return Rules(resources, filters, group_by, days)


def _refuse_variables(value: Any, where: str) -> None:
    """Refuse what Cloud Custodian fills in for each run: here it would be taken for a text."""
    if isinstance(value, str):
        variable = _VARIABLE.search(value)
        if variable is not None:
            raise InvalidRuleError(
                where,
                f"{variable.group()} cannot run here: Cloud Custodian fills it in for each run",
            )
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _refuse_variables(one, f"{where}.{name}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            _refuse_variables(one, f"{where}[{place}]")


def _read_resources(stated: object) -> tuple[str, ...]:
    names = stated if isinstance(stated, list) else [stated]
    if not names or len(names) > 50:
        raise InvalidRuleError("resource", "must name 1 to 50 kinds of resources")
    found = []
    for place, name in enumerate(names):
        where = f"resource[{place}]" if isinstance(stated, list) else "resource"
        if not isinstance(name, str) or not name:
            raise InvalidRuleError(where, f"must be a kind of resource, not {shown(name)}")
        full = grammar.resource_type(name)
        if not grammar.is_known_resource(full):
            known = ", ".join((*grammar.SCOPES, *sorted(RESOURCE_TYPES)))
            raise InvalidRuleError(
                where,
                f"{shown(name)} is not in the inventory, so that nothing is judged; known: {known}",
            )
        if full in grammar.SCOPES and len(names) > 1:
            raise InvalidRuleError(where, f"{full} stands alone")
        found.append(full)
    return tuple(dict.fromkeys(found))


def _read_group_by(rules: Mapping[str, Any], scope: str) -> tuple[str, ...]:
    if scope not in grammar.GROUPINGS:
        if "group_by" in rules:
            raise InvalidRuleError("group_by", f"{scope} is not grouped")
        return ()
    stated = rules.get("group_by", list(grammar.DEFAULT_GROUPING[scope]))
    known = grammar.GROUPINGS[scope]
    if not isinstance(stated, list) or not 1 <= len(stated) <= 4:
        raise InvalidRuleError("group_by", f"must be a list of 1 to 4 of {', '.join(known)}")
    for place, name in enumerate(stated):
        is_tag = (
            isinstance(name, str)
            and name.startswith("tag:")
            and 4 < len(name) <= 200
            and not reading.is_unkept(name)
        )
        if name not in known and not (is_tag and scope == grammar.COST):
            tags = ", or tag: and a key" if scope == grammar.COST else ""
            raise InvalidRuleError(
                f"group_by[{place}]", f"must be one of {', '.join(known)}{tags}, not {shown(name)}"
            )
    if len(set(stated)) < len(stated):
        raise InvalidRuleError("group_by", "names something twice")
    return tuple(stated)


def _unknown(kind: str, resource: str) -> str:
    if kind in grammar.REFUSED:
        return f"{kind} cannot run here: {grammar.REFUSED[kind]}"
    known = ", ".join(
        (
            "value",
            "and",
            "or",
            "not",
            "list-item",
            "reduce",
            "age",
            "metrics",
            *MEASURE_TYPES,
            *CONDITION_TYPES,
            "model-allow-list",
        )
    )
    return (
        f"{shown(kind)} is no filter that can run here for {resource}; known: {known}, "
        f"and texts such as {EXAMPLES}"
    )
