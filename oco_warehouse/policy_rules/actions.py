"""Cloud Custodian's actions beside a policy: kept for an export, and never run here."""

from collections.abc import Mapping
from typing import Any, Final

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules.reading import constant, shown

MOST_ACTIONS: Final = 50
_DEEPEST: Final = 6


def check_actions(stated: object) -> list[Any]:
    """Actions as a list of names and of objects with a type.

    Raises:
        InvalidRuleError: when they are something else.
    """
    if not isinstance(stated, list) or len(stated) > MOST_ACTIONS:
        raise InvalidRuleError("actions", f"must be a list of at most {MOST_ACTIONS}")
    for place, one in enumerate(stated):
        kind = one.get("type") if isinstance(one, Mapping) else one
        if not isinstance(kind, str) or not kind:
            raise InvalidRuleError(f"actions[{place}]", "must be a name or an object with a type")
        _check_kept(one, f"actions[{place}]", 0)
    return stated


def _check_kept(value: Any, where: str, depth: int) -> None:
    """Whether PostgreSQL can keep it."""
    if depth > _DEEPEST:
        raise InvalidRuleError(where, f"nests deeper than {_DEEPEST}")
    if isinstance(value, Mapping):
        for name, one in value.items():
            if not isinstance(name, str):
                raise InvalidRuleError(where, f"{shown(name)} is no name of a member")
            constant(name, where)
            _check_kept(one, f"{where}.{name}", depth + 1)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            _check_kept(one, f"{where}[{place}]", depth + 1)
    else:
        constant(value, where)
