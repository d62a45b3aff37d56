"""Quantities as Kubernetes writes them: 250m, 1.5, 128Mi, 2e3. Pure."""

import re
from decimal import Decimal
from typing import Final

from oco_warehouse.errors import InvalidInputError

_SUFFIXES: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTPE", start=1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", start=1)},
}
_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([numkMGTPE]i?|Ki)?)"
)


def quantity(text: str) -> Decimal:
    """The number that a quantity says: cores, or bytes.

    Raises:
        InvalidInputError: when the text is none.
    """
    match = _QUANTITY.fullmatch(text)
    suffix = (match[3] or "") if match else ""
    if match is None or suffix not in _SUFFIXES:
        raise InvalidInputError(f"{text!r} is no quantity of Kubernetes")
    return Decimal(match[1] + (match[2] or "")) * _SUFFIXES[suffix]
