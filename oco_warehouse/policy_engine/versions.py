"""Versions as policies compare them: figures as figures, letters as letters, part by part."""

import re
from typing import Any, Final

_PARTS: Final = re.compile(r"(\d+|[a-z]+|\.)")


class Version:
    """A version; what is blank has no parts and cannot be compared.

    Raises:
        TypeError: for what is neither text nor blank.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self._parts: list[int | str] | None = None
        if value:
            parts = (part for part in _PARTS.split(value) if part and part != ".")
            self._parts = [_part(part) for part in parts]

    @property
    def parts(self) -> list[Any]:
        """Its parts.

        Raises:
            AttributeError: when it is blank.
        """
        if self._parts is None:
            raise AttributeError("a resource has no version to compare")
        return self._parts

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = Version(other)
        return isinstance(other, Version) and self.parts == other.parts

    def __lt__(self, other: "Version") -> bool:
        return self.parts < other.parts

    def __le__(self, other: "Version") -> bool:
        return self.parts <= other.parts

    def __gt__(self, other: "Version") -> bool:
        return self.parts > other.parts

    def __ge__(self, other: "Version") -> bool:
        return self.parts >= other.parts


def _part(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
