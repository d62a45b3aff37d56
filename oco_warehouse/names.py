"""Names of agents, teams, users, organizations and tags: one spelling each, nothing invisible.

A budget finds a caller by its name. One that looks the same and has other bytes would have none.
"""

import re
import unicodedata
from typing import Final

# Unicode shows nothing for these and still counts them as letters, marks or symbols.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def one_spelling(name: str) -> str:
    """The name in Unicode's composed form (NFC): an accent apart from its letter joins it."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_visible(name: str) -> bool:
    """Whether every character shows: no control characters, none of zero width."""
    return name.isprintable() and (name.isascii() or _INVISIBLE.search(name) is None)
