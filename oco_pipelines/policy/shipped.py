"""Policies that an empty table begins with. They can be changed or disabled like any other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ShippedPolicy:
    """One row of `oco.governance_policies`."""

    name: str
    description: str
    policy_type: str
    severity: str
    rules: Mapping[str, Any]


SHIPPED: Final = (
    ShippedPolicy(
        name="untagged-spend",
        description="Whatever costs more than a dollar in 30 days carries a team tag.",
        policy_type="tagging",
        severity="warning",
        rules={
            "filters": [
                {"type": "value", "key": "tags.team", "value": "absent"},
                {"type": "cost", "days": 30, "op": "gt", "value": "1.00"},
            ]
        },
    ),
)
