"""What a governance policy is on the API's border: as it is made, changed, answered and tried."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from oco_proxy.api.fields import Name, told
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.policy_rules import parse_rules
from oco_warehouse.policy_rules.actions import MOST_ACTIONS, check_actions

MOST_SHOWN: Final = 500
_MAX_NAME: Final = 200
_MAX_TEXT: Final = 2000
Severity = Literal["info", "warning", "critical"]
RulesJson = Annotated[
    dict[str, Any],
    told(description="resource, filters and, for groups, group_by and days: docs/policies.md"),
]
Actions = Annotated[
    list[Any], told(max_items=MOST_ACTIONS, description="For an export; they never run here")
]
Text = Annotated[str, told(max_length=_MAX_TEXT)]


class NewGovernancePolicy(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A policy to be made."""

    name: Name
    rules: RulesJson
    description: Text = ""
    policy_type: Name = "custom"
    severity: Severity = "warning"
    owner: Name | None = None
    actions: Actions = msgspec.field(default_factory=list)
    enabled: bool = True


class GovernancePolicyChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may change of a policy."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    rules: RulesJson | msgspec.UnsetType = msgspec.UNSET
    description: Text | msgspec.UnsetType = msgspec.UNSET
    policy_type: Name | msgspec.UnsetType = msgspec.UNSET
    severity: Severity | msgspec.UnsetType = msgspec.UNSET
    owner: Name | msgspec.UnsetType | None = msgspec.UNSET
    actions: Actions | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class GovernancePolicy(msgspec.Struct, kw_only=True):
    """A policy as it is answered.

    Attributes:
        last_error: why its last evaluation failed; null when it did not.
        last_found: how many break it, by the last evaluation that did not fail.
        open_violations: how many are open now, exempt or not.
    """

    id: str
    name: str
    description: str
    policy_type: str
    rules: dict[str, Any]
    severity: Severity
    owner: str | None
    actions: list[Any]
    enabled: bool
    version: int
    last_evaluated_at: datetime | None
    last_error: str | None
    last_found: int | None
    open_violations: int
    created_at: datetime
    updated_at: datetime


class GovernancePolicies(msgspec.Struct):
    """One page of them."""

    items: list[GovernancePolicy]
    next_cursor: str | None


class Trial(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Rules to be tried; `shown` hits are answered."""

    rules: RulesJson
    shown: Annotated[int, told(minimum=0, maximum=MOST_SHOWN)] = 20


class TrialHit(msgspec.Struct, kw_only=True):
    """What the rules would hit."""

    provider: str
    account_id: str
    resource_id: str
    name: str
    owner: str | None
    evidence: dict[str, Any]


class TrialResult(msgspec.Struct, kw_only=True):
    """How many would be hit, in all and by account, and the first of them."""

    found: int
    by_account: dict[str, int]
    hits: list[TrialHit]


def check_policy(values: dict[str, Any]) -> None:
    """Whether members of a policy can be kept; those that are not given are not looked at.

    Raises:
        InvalidInputError: naming the member, or the path inside the rules.
    """
    for name, most in (("name", _MAX_NAME), ("policy_type", _MAX_NAME), ("owner", _MAX_NAME)):
        text = values.get(name)
        if text is not None and (not 0 < len(text) <= most or not text.isprintable()):
            raise InvalidInputError(f"{name} must be one line of 1 to {most} characters")
    if len(values.get("description", "")) > _MAX_TEXT or "\0" in values.get("description", ""):
        raise InvalidInputError(f"description must be at most {_MAX_TEXT} characters without NUL")
    if "rules" in values:
        parse_rules(values["rules"])
    if "actions" in values:
        check_actions(values["actions"])


def check_shown(shown: int) -> None:
    """Whether so many hits can be answered.

    Raises:
        InvalidInputError: when not.
    """
    if not 0 <= shown <= MOST_SHOWN:
        raise InvalidInputError(f"shown must be from 0 to {MOST_SHOWN}")
