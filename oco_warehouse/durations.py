"""Lengths of time as people write them: `30d`, `8h`, `1d12h30m`. One spelling out."""

import re
from datetime import timedelta
from typing import Final

from oco_warehouse.errors import InvalidInputError

# Days first, seconds last, each at most once; the figures are bounded so that sums are.
PATTERN: Final = r"^(?=[0-9])([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$"
_TEXT: Final = re.compile(PATTERN)
_UNITS: Final = ("days", "hours", "minutes", "seconds")


def read_duration(text: str) -> timedelta:
    """A length of time from its text.

    Raises:
        InvalidInputError: when it is not written so.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise InvalidInputError(f"{text!r} is no length of time as in 30d, 8h or 1h30m")
    parts = {
        unit: int(part[:-1]) for unit, part in zip(_UNITS, found.groups(), strict=True) if part
    }
    return timedelta(**parts)


def write_duration(length: timedelta) -> str:
    """A whole number of seconds as `read_duration` reads it; `0s` for none."""
    left = int(length.total_seconds())
    said = ""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        said += f"{count}{unit}" if count else ""
    return said or "0s"
