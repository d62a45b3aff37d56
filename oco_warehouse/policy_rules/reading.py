"""Plain values out of JSON, each with the path that a refusal names."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.errors import InvalidInputError, InvalidRuleError
from oco_warehouse.money import parse_money

LONGEST_TEXT: Final = 2000
LONGEST_LIST: Final = 5000
LARGEST_NUMBER: Final = 1e300
_DEEPEST_LIST: Final = 3
_SHOWN: Final = 80
_UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")


def shown(value: object) -> str:
    """A value as a message quotes it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def is_unkept(text: str) -> bool:
    """Whether it has what PostgreSQL cannot keep: a NUL character, or half of a surrogate pair."""
    return _UNKEPT.search(text) is not None


def known_members(entry: Mapping[Any, Any], where: str, known: Sequence[str]) -> None:
    """Refuse members that a filter does not have.

    Raises:
        InvalidRuleError: naming the first of them.
    """
    for name in entry:
        if name not in known:
            raise InvalidRuleError(
                f"{where}.{shown(name)[1:-1] if isinstance(name, str) else shown(name)}",
                f"is unknown here; use {', '.join(known)}",
            )


def text(entry: Mapping[str, Any], name: str, where: str) -> str:
    """A text that must be there.

    Raises:
        InvalidRuleError: when it is missing, no text, empty or too long.
    """
    if name not in entry:
        raise InvalidRuleError(f"{where}.{name}", "is needed")
    value = entry[name]
    if not isinstance(value, str) or not value:
        raise InvalidRuleError(f"{where}.{name}", f"must be a text, not {shown(value)}")
    _check_text(value, f"{where}.{name}")
    return value


def _check_text(value: str, where: str) -> None:
    if len(value) > LONGEST_TEXT:
        raise InvalidRuleError(where, f"a text has at most {LONGEST_TEXT} characters")
    if is_unkept(value):
        raise InvalidRuleError(where, "a text has no NUL character and no half of a pair")


def number(
    entry: Mapping[str, Any],
    name: str,
    where: str,
    *,
    least: float,
    most: float,
    default: float | None = None,
) -> float:
    """A number in a range.

    Raises:
        InvalidRuleError: when it is missing without a default, no number, or out of range.
    """
    value = entry.get(name, default)
    if value is None:
        raise InvalidRuleError(f"{where}.{name}", "is needed")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRuleError(f"{where}.{name}", f"must be a number, not {shown(value)}")
    if not least <= value <= most:
        raise InvalidRuleError(f"{where}.{name}", f"must be from {least:g} to {most:g}")
    return float(value) if isinstance(value, float) else int(value)


def whole(
    entry: Mapping[str, Any], name: str, where: str, *, least: int, most: int, default: int
) -> int:
    """A whole number in a range.

    Raises:
        InvalidRuleError: when it is none, or out of range.
    """
    value = number(entry, name, where, least=least, most=most, default=default)
    if value != int(value):
        raise InvalidRuleError(f"{where}.{name}", f"must be a whole number, not {value}")
    return int(value)


def one_of(
    entry: Mapping[str, Any],
    name: str,
    where: str,
    known: Sequence[str],
    default: str | None = None,
) -> str:
    """One of some words.

    Raises:
        InvalidRuleError: when it is another.
    """
    value = entry.get(name, default)
    if not isinstance(value, str) or value not in known:
        raise InvalidRuleError(
            f"{where}.{name}", f"must be one of {', '.join(known)}, not {shown(value)}"
        )
    return value


def amount(value: object, where: str) -> Decimal:
    """A decimal number: money comes as text, a share or percentage also as a number.

    Raises:
        InvalidRuleError: when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidRuleError(where, 'must be a decimal number as text, as in "500.00"')
    try:
        return parse_money(str(value))
    except InvalidInputError as error:
        raise InvalidRuleError(where, str(error)) from None


def constant(value: object, where: str, depth: int = 0) -> Any:
    """What a value may be compared with: text, number, true, false, null, or a list of those.

    Raises:
        InvalidRuleError: when it is something else or too large.
    """
    if isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise InvalidRuleError(where, f"a list has at most {LONGEST_LIST} entries")
        if depth == _DEEPEST_LIST:
            raise InvalidRuleError(where, f"lists nest at most {_DEEPEST_LIST} deep")
        return [constant(one, f"{where}[{place}]", depth + 1) for place, one in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            raise InvalidRuleError(where, "is no number that can be compared")
        return value
    if isinstance(value, str):
        _check_text(value, where)
        return value
    raise InvalidRuleError(
        where, f"must be a text, a number, true, false, null or a list, not {shown(value)}"
    )
