"""Allocation rules from a YAML file that a person wrote: all of it or nothing."""

from collections.abc import Hashable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import yaml

from oco_warehouse.allocation_rules import AllocationRule, read_rules
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.money import parse_money
from oco_warehouse.strict_yaml import StrictLoader

MAX_BYTES: Final = 5 * 1024 * 1024
_FLOAT: Final = "tag:yaml.org,2002:float"


class _Loader(StrictLoader):
    """YAML without floats or aliases (a small file could become a huge one)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key must be a text", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)

    def construct_decimal(self, node: yaml.ScalarNode) -> Decimal:
        try:
            return parse_money(str(node.value).replace("_", ""))
        except InvalidInputError as error:
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None


_Loader.add_constructor(_FLOAT, _Loader.construct_decimal)


def read_rule_file(path: Path) -> list[AllocationRule]:
    """Rules of a YAML file: a list under `rules`.

    Raises:
        InvalidFileError: naming the file, the rule and the field that is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes")
        # The loader is a SafeLoader.
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if not isinstance(content, dict) or set(content) != {"rules"}:
        raise InvalidFileError(f"{path}: expected one key, rules, with the list of rules")
    if not isinstance(content["rules"], list) or not content["rules"]:
        raise InvalidFileError(f"{path}: rules: expected a list with at least one rule")
    try:
        return read_rules(content["rules"])
    except InvalidInputError as error:
        raise InvalidFileError(f"{path}: {error}") from None
