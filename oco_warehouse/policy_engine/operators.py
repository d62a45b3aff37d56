"""What the ops of value filters mean: types that do not fit are no match, and never an error."""

import fnmatch
import operator
from collections.abc import Callable
from typing import Any, Final

from oco_warehouse.policy_rules.patterns import SafePattern

Test = Callable[[Any], bool]
Pair = Callable[[Any, Any], bool]

COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_BLANK_IS_EMPTY: Final = ("in", "not-in")


def _mod(found: Any, wanted: Any) -> bool:
    # Of texts Python would make a format, and a resource could ask for one of gigabytes.
    if not isinstance(found, int | float) or not isinstance(wanted, int | float):
        return False
    return bool(found % wanted)


def _glob(found: Any, wanted: Any) -> bool:
    return isinstance(found, str) and fnmatch.fnmatch(found, wanted)


_OPS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **COMPARE,
    "glob": _glob,
    "in": lambda found, wanted: found in wanted,
    "ni": lambda found, wanted: found not in wanted,
    "not-in": lambda found, wanted: found not in wanted,
    "contains": lambda found, wanted: wanted in found,
    "difference": lambda found, wanted: bool(set(found).difference(wanted)),
    "intersect": lambda found, wanted: bool(set(found).intersection(wanted)),
    "mod": _mod,
}


def blank_is_empty(op: str | None) -> bool:
    """Whether an op takes a value that is not there for an empty list."""
    return op in _BLANK_IS_EMPTY


def count_test(op: str, wanted: Any) -> Test:
    """A test of how many there are."""
    compare = _OPS[op]
    return lambda found: bool(compare(found, wanted))


def _matcher(pattern: SafePattern) -> Callable[[Any, Any], Any]:
    match = pattern.match
    return lambda found, _: isinstance(found, str) and match(found) is not None


def pair_test(op: str | None, pattern: SafePattern | None) -> Pair:
    """A test of (found, wanted): the words absent, present, not-null and empty, then the op."""
    compare = _OPS[op or "eq"] if pattern is None else _matcher(pattern)

    def test(found: Any, wanted: Any) -> bool:
        if found is None:
            if wanted == "absent":
                return True
        elif wanted == "present":
            return True
        if (wanted == "not-null" and found) or (wanted == "empty" and not found):
            return True
        try:
            return bool(compare(found, wanted))
        except TypeError:
            return False

    return test


def constant_test(op: str | None, wanted: Any, pattern: SafePattern | None) -> Test:
    """The same with one constant: most filters, so that nothing is decided twice."""
    if pattern is None and op is None:
        simple = _word_test(wanted)
        if simple is not None:
            return simple
    if pattern is None and op == "in" and isinstance(wanted, list):
        return _membership(wanted, expected=True)
    if pattern is None and op == "not-in" and isinstance(wanted, list):
        return _membership(wanted, expected=False)
    test = pair_test(op, pattern)
    if blank_is_empty(op):
        return lambda found: test(() if found is None else found, wanted)
    return lambda found: test(found, wanted)


def _word_test(wanted: Any) -> Test | None:
    """Equality with a constant, or one of the four words. A text may also be such a word."""
    if wanted == "absent":
        return lambda found: found is None or found == "absent"
    if wanted == "present":
        return lambda found: found is not None
    if wanted == "not-null":
        return bool
    if wanted == "empty":
        return lambda found: not found or found == "empty"
    return lambda found: bool(found == wanted)


def _membership(wanted: list[Any], *, expected: bool) -> Test:
    # A set finds texts at once; 1 and True, and what cannot be in a set, take the list's way.
    texts = frozenset(one for one in wanted if isinstance(one, str))
    only_texts = len(texts) == len(set(map(repr, wanted)))

    def test(found: Any) -> bool:
        if isinstance(found, str):
            return (found in texts) is expected
        return (not only_texts and found is not None and found in wanted) is expected

    return test
