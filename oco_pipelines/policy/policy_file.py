"""Policies from a YAML file: Cloud Custodian's own format, with what it lacks under `metadata`.

policies:
  - name: stopped-instances
    resource: aws.ec2
    description: Instances are not left stopped.
    metadata: {severity: critical, owner: platform, policy_type: idle, enabled: false}
    filters:
      - {type: value, key: State.Name, value: stopped}
    actions: [terminate]
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from oco_pipelines.policy.policy import Policy
from oco_warehouse.errors import InvalidFileError, InvalidInputError, InvalidRuleError
from oco_warehouse.policy_rules import parse_rules
from oco_warehouse.policy_rules.actions import check_actions
from oco_warehouse.policy_rules.reading import is_unkept, shown
from oco_warehouse.strict_yaml import StrictLoader

MAX_BYTES: Final = 2 * 1024 * 1024
MOST_POLICIES: Final = 1000
SEVERITIES: Final = ("info", "warning", "critical")
MAX_NAME: Final = 200
DEFAULT_TYPE: Final = "custodian"
_RULES: Final = ("resource", "filters", "group_by", "days")
_METADATA: Final = ("severity", "owner", "policy_type", "enabled")
_DESCRIPTIONS: Final = ("description", "comment", "comments")
# What only says how Cloud Custodian runs a policy; here all run alike, and nothing is acted on.
_NO_MEANING: Final = {
    "mode": "policies are judged when inventory and costs are new",
    "max-resources": "it limits actions, and none run here",
    "max-resources-percent": "it limits actions, and none run here",
    "tags": "policies have a policy_type here",
    "source": "resources come from the inventory",
}
_KNOWN: Final = (*_RULES, *_DESCRIPTIONS, *_NO_MEANING, "name", "metadata", "actions")
# What says which resources Cloud Custodian asks for, or when: left out, a policy would hit others.
_REFUSED: Final = {
    "query": "it asks the cloud for a part of the resources; say in a filter which are meant",
    "region": "a policy is about all regions; write the filter {oco.region: …}",
    "conditions": "they say at each run whether the policy runs; here it always does",
    **dict.fromkeys(
        ("start", "end", "tz", "timezone"), "it says when a policy runs; enable it then"
    ),
}
_GROUPS: Final = ("and", "or", "not")
_DEEPEST: Final = 20


class _Loader(StrictLoader):
    """YAML without dates, which rules have as text."""


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a file has: policies that can run here, and a line for each reason why others cannot."""

    policies: tuple[Policy, ...]
    refused: tuple[str, ...]


def read_policy_file(path: Path) -> ReadFile:
    """Read a file.

    Raises:
        InvalidFileError: when it is no file of policies at all.
    """
    content = _load(path)
    if not isinstance(content, dict) or not isinstance(content.get("policies"), list):
        raise InvalidFileError(f"{path}: needs a list under `policies`")
    # `vars` holds anchors, which YAML has put in their places.
    if unknown := [str(key) for key in content if key not in {"policies", "vars"}]:
        raise InvalidFileError(f"{path}: {unknown[0]}: is unknown; use policies and vars")
    if not 0 < len(content["policies"]) <= MOST_POLICIES:
        raise InvalidFileError(f"{path}: policies: must be 1 to {MOST_POLICIES}")
    policies: dict[str, Policy] = {}
    refused: list[str] = []
    for place, entry in enumerate(content["policies"]):
        at = f"policies[{place}]"
        try:
            policy = read_policy(entry)
        except InvalidInputError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            label = f"{at} ({name})" if isinstance(name, str) and name.isprintable() else at
            reasons = _reasons(entry) or [str(error)]
            refused += (f"{path}: {label}.{reason}" for reason in reasons)
            continue
        if policy.name in policies:
            refused.append(f"{path}: {at}.name: {policy.name!r} stands above already")
        else:
            policies[policy.name] = policy
    return ReadFile(tuple(policies.values()), tuple(refused))


def read_policy(entry: object) -> Policy:
    """Check one policy.

    Raises:
        InvalidRuleError: one line that begins with the path of what is wrong.
    """
    if not isinstance(entry, Mapping):
        raise InvalidRuleError("policy", f"must be an object, not {shown(entry)}")
    for key in entry:
        if key in _REFUSED:
            raise InvalidRuleError(str(key), f"cannot run here: {_REFUSED[key]}")
        if key not in _KNOWN:
            name = shown(key)[1:-1] if isinstance(key, str) else shown(key)
            raise InvalidRuleError(name, f"is unknown; use {', '.join(_KNOWN)}")
    name = _line(entry.get("name"), "name")
    metadata = entry.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise InvalidRuleError("metadata", "must be an object")
    severity = metadata.get("severity", "warning")
    if severity not in SEVERITIES:
        raise InvalidRuleError("metadata.severity", f"must be one of {', '.join(SEVERITIES)}")
    enabled = metadata.get("enabled", True)
    if not isinstance(enabled, bool):
        raise InvalidRuleError("metadata.enabled", "must be true or false")
    owner = metadata.get("owner")
    rules = {name: entry[name] for name in _RULES if name in entry}
    parse_rules(rules)
    actions = check_actions(entry.get("actions", []))
    notes = [
        f"{key}: has no meaning here: {_NO_MEANING[key]}" for key in _NO_MEANING if key in entry
    ]
    notes += [f"metadata.{key}: has no meaning here" for key in metadata if key not in _METADATA]
    if actions:
        notes.append(f"actions: {len(actions)} kept for an export; they never run here")
    return Policy(
        name=name,
        description=_description(entry),
        policy_type=_line(metadata.get("policy_type", DEFAULT_TYPE), "metadata.policy_type"),
        severity=severity,
        owner=None if owner is None else _line(owner, "metadata.owner"),
        rules=rules,
        actions=actions,
        enabled=enabled,
        notes=tuple(notes),
    )


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        return yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None


def _reasons(entry: object) -> list[str]:
    """A line for each member and each filter of a policy that cannot run here; none says more."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("filters"), list):
        return []
    around = {name: entry[name] for name in _RULES if name in entry}
    members = [f"{key}: cannot run here: {why}" for key, why in _REFUSED.items() if key in entry]
    return [*members, *_filter_reasons(entry["filters"], "filters", around)]


def _filter_reasons(filters: list[Any], where: str, around: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with each filter by itself; groups are gone into."""
    for place, one in enumerate(filters):
        at = f"{where}[{place}]"
        if isinstance(one, Mapping) and len(one) == 1:
            ((name, inner),) = one.items()
            if name in _GROUPS and isinstance(inner, list) and inner and at.count("[") < _DEEPEST:
                yield from _filter_reasons(inner, f"{at}.{name}", around)
                continue
        try:
            parse_rules({**around, "filters": [one]})
        except InvalidRuleError as error:
            if error.where.startswith("filters[0]"):
                yield f"{at}{str(error).removeprefix('filters[0]')}"


def _description(entry: Mapping[str, Any]) -> str:
    for name in _DESCRIPTIONS:
        if name in entry:
            text = entry[name]
            if not isinstance(text, str):
                raise InvalidRuleError(name, f"must be a text, not {shown(text)}")
            if is_unkept(text):
                raise InvalidRuleError(name, "a text has no NUL character and no half of a pair")
            return " ".join(text.split())[:2000]
    return ""


def _line(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise InvalidRuleError(where, f"must be one line of 1 to {MAX_NAME} characters")
    return value
