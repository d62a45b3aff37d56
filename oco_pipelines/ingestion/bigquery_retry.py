"""What may succeed when it is tried again, and for how long it is tried. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import TransportError

_TRANSIENT: Final = frozenset({"rateLimitExceeded", "backendError", "internalError", "badGateway"})
_TRANSIENT_TYPES: Final = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
    TransportError,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try again: first and longest wait between two tries, and all in all, seconds."""

    first: float = 1.0
    longest: float = 32.0
    deadline: float = 300.0


# Of a sensor's tick, which Dagster ends after a minute, and of a check, at which a person waits.
SHORT: Final = Patience(deadline=15.0)


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later: as the library judges, without its guesses."""
    if isinstance(error, requests.exceptions.SSLError):
        return False
    if isinstance(error, GoogleAPICallError):
        reasons = [item.get("reason") for item in error.errors if isinstance(item, Mapping)]
        if reasons:
            return reasons[0] in _TRANSIENT
        return error.code in {429, 500, 502, 503, 504}
    return isinstance(error, _TRANSIENT_TYPES)
