"""Access tokens: how one is made and what is stored of it.

A token is 256 random bits, so a plain SHA-256 of it is safe to store: there is nothing to guess.
"""

import hashlib
import secrets
from typing import Final, Literal, get_args

Role = Literal["admin", "operator", "viewer", "agent"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
PREFIX: Final = "oco_"
SHOWN_CHARACTERS: Final = 8


def new_token() -> str:
    """A fresh token: `oco_` and 43 URL-safe characters."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def shown_prefix(token: str) -> str:
    """The first characters, by which people tell tokens apart."""
    return token[:SHOWN_CHARACTERS]
