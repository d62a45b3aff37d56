"""Conditions as one line of text: `cost_last_30d > 500`, `spend_change_pct > 20`, `dr_covered`."""

import re
from typing import Any, Final

from oco_warehouse.errors import InvalidRuleError

_FIGURE: Final = re.compile(
    r"(?P<name>cost|spend_change_pct|untagged_spend_share|unpriced_share)"
    r"(?:_last_(?P<days>[0-9]{1,3})d)?\s*(?P<op>>=|<=|==|!=|>|<)\s*"
    r"(?P<value>-?[0-9]{1,18}(?:\.[0-9]{1,12})?)(?P<percent>\s*%)?",
    re.ASCII,
)
_STATE: Final = re.compile(r"(?P<negated>not\s+)?(?P<name>budget_breached|dr_covered|rpo_breached)")
_OPS: Final = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "ne"}
_TYPES: Final = {
    "cost": "cost",
    "spend_change_pct": "spend-change",
    "untagged_spend_share": "untagged-share",
    "unpriced_share": "unpriced-share",
}
_SHARES: Final = ("untagged_spend_share", "unpriced_share")
EXAMPLES: Final = (
    "cost_last_30d > 500, spend_change_pct > 20, untagged_spend_share > 10 %, dr_covered"
)


def is_short_text(text: str) -> bool:
    """Whether a text is meant as one of these, right or wrong."""
    words = re.match(r"(not\s+)?[a-z_]+", text.strip())
    known = (*_TYPES, "budget_breached", "dr_covered", "rpo_breached")
    return words is not None and words.group().split()[-1].startswith(known)


def read_short_text(text: str, where: str) -> dict[str, Any]:
    """The same condition in its long form.

    Raises:
        InvalidRuleError: when the text is none.
    """
    said = text.strip()
    state = _STATE.fullmatch(said)
    if state is not None:
        kind = state["name"].replace("_", "-")
        return {"type": kind, "value": state["negated"] is None}
    figure = _FIGURE.fullmatch(said)
    if figure is None:
        raise InvalidRuleError(where, f"{text!r} is no condition; write it as in {EXAMPLES}")
    value: Any = figure["value"]
    if figure["percent"]:
        if figure["name"] == "cost":
            raise InvalidRuleError(where, f"{text!r}: a cost is in dollars, not in percent")
        if figure["name"] in _SHARES:
            value = f"{value}e-2"
    entry = {"type": _TYPES[figure["name"]], "op": _OPS[figure["op"]], "value": value}
    return entry if figure["days"] is None else {**entry, "days": int(figure["days"])}
