"""Keys of filters: a member's name, JMESPath, or `tag:` and a tag's key."""

import json
from collections.abc import Mapping
from typing import Any, Final

import jmespath  # type: ignore[import-untyped]
from jmespath import exceptions, functions

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules.filters import Key
from oco_warehouse.policy_rules.grammar import TAG_TRANSFORMS
from oco_warehouse.policy_rules.patterns import read_pattern
from oco_warehouse.policy_rules.reading import is_unkept, shown

LONGEST_KEY: Final = 500
# Each of these may double what the next part of an expression sees.
MOST_SELECTIONS: Final = 6
TAG: Final = "tag:"
_ANNOTATION: Final = "c7n:"
_CHAINS: Final = (
    *("subexpression", "index_expression", "pipe", "projection", "value_projection"),
    *("filter_projection", "flatten", "slice"),
)
_SELECTIONS: Final = ("multi_select_list", "multi_select_dict")


class _Functions(functions.Functions):  # type: ignore[misc]
    """The two functions that Cloud Custodian adds to JMESPath: split and from_json."""

    @functions.signature({"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_split(self, separator: str, text: str) -> list[str]:
        return text.split(separator)

    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_from_json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return None


OPTIONS: Final = jmespath.Options(custom_functions=_Functions())
JMESPathFault: Final[type[Exception]] = exceptions.JMESPathError


def compile_path(path: str) -> Any:
    """A parsed JMESPath; it was checked before."""
    return jmespath.compile(path)


def search(parsed: Any, document: Any) -> Any:
    """What a parsed JMESPath finds in a document."""
    return parsed.search(document, options=OPTIONS)


def check_path(path: str, where: str) -> None:
    """Whether a JMESPath can be used.

    Raises:
        InvalidRuleError: when it is none, or large enough to run away.
    """
    _check_text(path, where)
    if path.startswith(_ANNOTATION) or f'"{_ANNOTATION}' in path:
        raise InvalidRuleError(
            where, f"{path} is a mark that only Cloud Custodian's own filters write"
        )
    try:
        parsed = jmespath.compile(path).parsed
    except (exceptions.JMESPathError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InvalidRuleError(where, f"{path!r} is no JMESPath expression: {said}") from None
    if _selections(parsed) > MOST_SELECTIONS:
        raise InvalidRuleError(
            where, f"the expression selects into lists or objects over {MOST_SELECTIONS} times"
        )


def _check_text(path: str, where: str) -> None:
    if len(path) > LONGEST_KEY or is_unkept(path):
        raise InvalidRuleError(
            where, f"has at most {LONGEST_KEY} characters, no NUL and no half of a pair"
        )


def root_members(path: str) -> set[str]:
    """Members of the document itself that a checked JMESPath looks at."""
    return _roots(jmespath.compile(path).parsed)


def _roots(node: Mapping[str, Any]) -> set[str]:
    if node["type"] == "field":
        return {node["value"]}
    children = [child for child in node["children"] if isinstance(child, dict)]
    # What follows in these looks at what the first of them has found.
    if node["type"] in _CHAINS:
        children = children[:1]
    return set().union(*map(_roots, children))


def read_key(entry: Mapping[str, Any], path: str, where: str) -> Key:
    """The key of a filter with its `value_regex` and `tag_key_transforms`.

    Raises:
        InvalidRuleError: when one of them cannot be used.
    """
    if not path.startswith(TAG):
        check_path(path, f"{where}.key")
    else:
        _check_text(path, f"{where}.key")
    capture = None
    if "value_regex" in entry:
        at = f"{where}.value_regex"
        capture = read_pattern(entry["value_regex"], at, ignore_case=False)
        if capture.compiled.groups != 1:
            raise InvalidRuleError(at, "must have exactly one capturing group")
    transforms = entry.get("tag_key_transforms") or []
    at = f"{where}.tag_key_transforms"
    if not isinstance(transforms, list):
        raise InvalidRuleError(at, f"must be a list, not {shown(transforms)}")
    for place, name in enumerate(transforms):
        if name not in TAG_TRANSFORMS:
            raise InvalidRuleError(
                f"{at}[{place}]", f"must be one of {', '.join(TAG_TRANSFORMS)}, not {shown(name)}"
            )
    return Key(path, capture, tuple(transforms))


def _selections(node: Mapping[str, Any]) -> int:
    own = 1 if node["type"] in _SELECTIONS else 0
    return own + sum(_selections(child) for child in node["children"] if isinstance(child, dict))
