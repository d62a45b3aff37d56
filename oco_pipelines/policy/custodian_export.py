"""A policy as Cloud Custodian runs it, with actions: what enforces is there, here it is advice."""

import re
from collections.abc import Mapping
from typing import Any, Final

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.policy_rules import grammar, parse_rules
from oco_warehouse.policy_rules.filters import (
    Age,
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
from oco_warehouse.policy_rules.keys import TAG
from oco_warehouse.resource_types import RESOURCE_TYPES

# Kinds that Cloud Custodian has no resource for.
_OURS: Final = ("azure.snapshot", "k8s.deployment")
_MARK: Final = "oco-policy"
_CLOUDWATCH: Final = frozenset(name for name, ours in grammar.METRICS.items() if name != ours)
# A member of the root of a JMESPath; tags may be called so, too.
_OUR_DOCUMENT: Final = re.compile(r"""(?<![\w.'"`-])"?oco"?(?![\w'`-])""")


def to_custodian(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The equivalent policy.

    Without actions of its own it gets one that only marks what it finds.

    Raises:
        InvalidInputError: naming what Cloud Custodian cannot do.
    """
    rules = parse_rules(stored["rules"])
    if len(rules.resources) > 1:
        raise InvalidInputError(
            "resource: a policy of Cloud Custodian is about one kind; write one policy for each"
        )
    resource = rules.resources[0]
    if resource not in RESOURCE_TYPES or resource in _OURS:
        raise InvalidInputError(f"resource: Cloud Custodian has no {resource}")
    for place, one in enumerate(rules.filters):
        _refuse(one, f"filters[{place}]", resource)
    policy = {
        "name": _name(stored["name"]),
        "resource": resource,
        "description": stored["description"] or stored["name"],
        "metadata": {"severity": stored["severity"], "policy_type": stored["policy_type"]},
        "filters": stored["rules"]["filters"],
        "actions": stored["actions"] or [_mark(resource, stored["name"])],
    }
    if stored["owner"] is not None:
        policy["metadata"]["owner"] = stored["owner"]
    return policy


def _refuse(one: Filter, where: str, resource: str) -> None:
    reason = None
    if isinstance(one, Group):
        for place, inner in enumerate(one.filters):
            _refuse(inner, f"{where}.{one.kind}[{place}]", resource)
    elif isinstance(one, MeasureFilter):
        reason = f"it knows no money, and so no {one.measure.name}"
    elif isinstance(one, ModelAllowList):
        reason = "it knows no use of models"
    elif isinstance(one, Metrics) and not resource.startswith("aws."):
        reason = f"{resource} has no filter metrics that takes these names"
    elif isinstance(one, Metrics) and one.name not in _CLOUDWATCH:
        reason = f"CloudWatch has no metric {one.name}"
    elif isinstance(one, Age) and one.dates == "facts":
        reason = "it has no filter age for this kind"
    elif path := next((path for path in _paths(one) if _OUR_DOCUMENT.search(path)), None):
        reason = f"{path} is our own; use the provider's member"
    if reason is not None:
        raise InvalidInputError(f"{where}: has no equivalent in Cloud Custodian: {reason}")


def _paths(one: Filter) -> list[str]:
    """JMESPaths that a filter looks up in the document of a resource."""
    if isinstance(one, ListItem):
        return [one.key]
    keys: list[Key | None] = []
    paths: list[str] = []
    if isinstance(one, Reduce):
        keys = [one.group_by.key, one.sort_by.key]
    elif isinstance(one, ValueFilter):
        keys = [one.key]
        paths = [one.value_path] if one.value_path else []
        paths += [one.value] if one.value_type == "expr" else []
    return [*paths, *(key.path for key in keys if key is not None and not key.path.startswith(TAG))]


def _mark(resource: str, name: str) -> dict[str, Any]:
    """An action that marks and does no more, as the provider's resources take it."""
    if resource.startswith("gcp."):
        return {"type": "set-labels", "labels": {_MARK: _name(name)}}
    if resource.startswith("azure."):
        return {"type": "tag", "tag": _MARK, "value": name}
    return {"type": "tag", "key": _MARK, "value": name}


def _name(name: str) -> str:
    """As Cloud Custodian takes it: letters, figures and single dashes, a letter first."""
    parts = "".join(char if char.isascii() and char.isalnum() else " " for char in name).split()
    text = "-".join(parts)
    return text if text[:1].isalpha() else f"policy-{text}"
