"""Regular expressions that cannot run away.

Python's matcher tries one way after the other, and some patterns have more ways than there is
time. A pattern is refused when a quantifier stands inside another one, when alternatives inside a
quantifier begin alike, when it refers back, or when so many parts of it can give characters to each
other that a tag of 256 characters could take more than ten million steps. What is left takes a
number of steps that is at most a power of the text's length: a pattern knows the longest text that
it is tried on.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser
from typing import Any, Final

from oco_warehouse.errors import InvalidRuleError, PolicyRunError
from oco_warehouse.policy_rules.reading import is_unkept

LONGEST_PATTERN: Final = 500
# As long as a tag of AWS may be, and twice as long as most.
SHORTEST_BOUND: Final = 256
_MOST_STEPS: Final = 10_000_000
_MOST_COUNTED: Final = 1000
_LONGEST_TEXT: Final = 1_000_000
_CATEGORIES: Final = {
    codes.CATEGORY_DIGIT: re.compile(r"\d"),
    codes.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    codes.CATEGORY_SPACE: re.compile(r"\s"),
    codes.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    codes.CATEGORY_WORD: re.compile(r"\w"),
    codes.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
_REPEATS: Final = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_SINGLES: Final = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)
_Item = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class SafePattern:
    """A compiled pattern and the longest text that it is tried on."""

    compiled: "re.Pattern[str]"
    longest: int

    def match(self, text: str) -> "re.Match[str] | None":
        """As `re.match`.

        Raises:
            PolicyRunError: when the text is longer than the pattern may be tried on.
        """
        if len(text) > self.longest:
            raise PolicyRunError(
                f"a value has {len(text)} characters and the regex {self.compiled.pattern!r} is "
                f"tried on at most {self.longest}; give it fewer open quantifiers such as .*"
            )
        return self.compiled.match(text)


@dataclass(slots=True)
class _Ways:
    """How a pattern's ways multiply.

    Attributes:
        open: quantifiers without an end that leave several ways to go on: a power of the length.
        choices: ways that do not depend on the length: a factor.
        scans: whether a quantifier without an end leaves one way: the length once more.
    """

    open: int = 0
    choices: int = 1
    scans: bool = False
    problem: str | None = field(default=None)


def read_pattern(text: object, where: str, *, ignore_case: bool) -> SafePattern:
    """Check and compile a regular expression.

    Raises:
        InvalidRuleError: when it is none, or could run away.
    """
    if not isinstance(text, str) or not text:
        raise InvalidRuleError(where, "a regex must be a text that is not empty")
    if is_unkept(text):
        raise InvalidRuleError(where, "a regex has no NUL character and no half of a pair")
    if len(text) > LONGEST_PATTERN:
        raise InvalidRuleError(
            where, f"a regex has at most {LONGEST_PATTERN} characters, this one {len(text)}"
        )
    flags = re.IGNORECASE if ignore_case else 0
    try:
        compiled = re.compile(text, flags)
        tree = _parser.parse(text, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidRuleError(where, f"{text!r} is not a regular expression: {error}") from None
    ways = _Ways()
    _walk(_flat(tree), ways, inside=False, then=None)
    longest = 0 if ways.problem else _longest(ways)
    if longest < SHORTEST_BOUND:
        reason = ways.problem or f"too many quantifiers overlap ({ways.open} without an end)"
        raise InvalidRuleError(where, f"the regex {text!r} could run away: {reason}")
    return SafePattern(compiled, longest)


def _longest(ways: _Ways) -> int:
    power = ways.open + ways.scans
    low, high = 0, _LONGEST_TEXT
    while low < high:
        middle = (low + high + 1) // 2
        if math.comb(middle + power, power) * ways.choices <= _MOST_STEPS:
            low = middle
        else:
            high = middle - 1
    return low


def _flat(items: Any) -> list[_Item]:
    """Items with those of plain groups in their place."""
    flat: list[_Item] = []
    for code, value in items:
        if code is codes.SUBPATTERN:
            flat += _flat(value[-1])
        elif code is codes.ATOMIC_GROUP:
            flat += _flat(value)
        else:
            flat.append((code, value))
    return flat


def _walk(items: Sequence[_Item], ways: _Ways, *, inside: bool, then: _Item | None) -> None:
    """Add what a sequence can do.

    Args:
        items: the sequence.
        ways: is added to.
        inside: whether it is the body of a quantifier that may run twice.
        then: what follows the sequence; None is the end.
    """
    for place, (code, value) in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else then
        if code in _REPEATS:
            _repeat(value, following, ways, inside=inside)
        elif code is codes.BRANCH:
            _branch([_flat(part) for part in value[1]], following, ways, inside=inside)
        elif code in {codes.ASSERT, codes.ASSERT_NOT}:
            _walk(_flat(value[1]), ways, inside=inside, then=None)
        elif code in {codes.GROUPREF, codes.GROUPREF_EXISTS}:
            ways.problem = "it refers back to a group"
        if ways.problem is not None:
            return


def _repeat(value: Any, following: _Item | None, ways: _Ways, *, inside: bool) -> None:
    least, most, body = value
    body = _flat(body)
    varies = least != most
    if varies and inside:
        ways.problem = "a quantifier stands inside another one"
        return
    _walk(body, ways, inside=inside or most > 1, then=following)
    if not varies or ways.problem is not None:
        return
    endless = most is codes.MAXREPEAT or most - least > _MOST_COUNTED
    if _is_settled(body, following):
        ways.scans |= endless
    elif endless:
        ways.open += 1
    else:
        ways.choices *= most - least + 1


def _is_settled(body: Sequence[_Item], following: _Item | None) -> bool:
    """Whether only one number of repetitions can go on with what follows."""
    if following is None:
        return True
    code, value = following
    if code is codes.AT and value in {codes.AT_END, codes.AT_END_STRING}:
        return True
    if len(body) != 1 or body[0][0] not in _SINGLES or code is not codes.LITERAL:
        return False
    return not _has(body[0], chr(value))


def _branch(
    parts: list[list[_Item]], following: _Item | None, ways: _Ways, *, inside: bool
) -> None:
    if inside:
        firsts = [part[0][1] if part and part[0][0] is codes.LITERAL else None for part in parts]
        folded = {chr(first).casefold() for first in firsts if first is not None}
        if None in firsts or len(folded) < len(parts):
            ways.problem = "alternatives inside a quantifier begin alike"
            return
    most_open, choices = 0, 0
    for part in parts:
        one = _Ways()
        _walk(part, one, inside=inside, then=following)
        if one.problem is not None:
            ways.problem = one.problem
            return
        most_open, choices = max(most_open, one.open), choices + one.choices
        ways.scans |= one.scans
    ways.open += most_open
    ways.choices *= choices


def _has(single: _Item, char: str) -> bool:
    """Whether a one-character item takes a character in either case; True when it is not sure."""
    if not char.isascii():
        return True
    return any(_takes(single, one) for one in {char, char.lower(), char.upper()})


def _takes(single: _Item, char: str) -> bool:
    code, value = single
    if code is codes.LITERAL:
        return chr(value).casefold() == char.casefold() or value > 127
    if code is codes.NOT_LITERAL:
        return chr(value).casefold() != char.casefold()
    if code is not codes.IN:
        return True
    negated = value[0][0] is codes.NEGATE
    found = False
    for kind, what in value:
        if kind is codes.LITERAL:
            found |= chr(what).casefold() == char.casefold()
        elif kind is codes.RANGE:
            found |= what[0] <= ord(char) <= what[1]
        elif kind is codes.CATEGORY:
            category = _CATEGORIES.get(what)
            found |= category is None or category.match(char) is not None
    return found is not negated
