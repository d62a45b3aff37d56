"""Options that inventories of several clouds have. Pure."""

from collections.abc import Mapping
from typing import Any

from oco_warehouse.errors import InvalidInputError


def count_option(where: str, options: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`.

    Raises:
        InvalidInputError: when it is something else.
    """
    value: object = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInputError(
            f"{where}.{name} must be a whole number from 1 to {most}, like {default}"
        )
    return value
