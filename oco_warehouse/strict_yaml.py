"""YAML of people's files, in which a key that is given twice is a mistake and not the last word."""

from typing import Any, Final

import yaml

_MERGE: Final = "tag:yaml.org,2002:merge"


class StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice; what `<<` merges may be overridden, as ever.

    Raises:
        yaml.MarkedYAMLError: naming the key and where it stands.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Checked before merges are resolved, which puts a key beside its override."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if (key.tag, key.value) in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add((key.tag, key.value))
        return node


def read_yaml(text: str) -> Any:
    """What a text in YAML says.

    Raises:
        yaml.YAMLError: when it is not YAML, or has a key twice.
    """
    return yaml.load(text, StrictLoader)  # noqa: S506 - a SafeLoader
