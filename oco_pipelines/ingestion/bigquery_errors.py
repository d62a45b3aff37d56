"""What Google's library raises, as one line that a person can act on."""

import concurrent.futures
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import requests
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError

from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

_LIMIT: Final = re.compile(r"limit for bytes billed: (\d+)\.?\s*(\d+)?")
_NOBODY_SIGNS: Final = (
    "Google's token service (of an instance role, the machine's metadata server) does not answer"
)
_THROTTLED: Final = 429
_SHOWN: Final = 300


class AccessDenied(ConfigurationError):
    """Google knows who asks, and refuses."""


@contextmanager
def one_line(where: str) -> Iterator[None]:
    """Turn what the library raises into an error of ours that begins with `where`.

    Raises:
        AccessDenied: when a role is missing.
        ConfigurationError: when the credentials are none, or have ended.
        NotFoundError: when the table, the dataset or the project is not there.
        InvalidInputError: when a query would read more than maximum_bytes_billed, or is refused.
        UpstreamThrottled: when Google asked to slow down until the deadline had passed.
        UpstreamUnavailable: when it did not answer until then, or answered nonsense.
    """
    try:
        yield
    except RetryError as error:
        raise _after_all(where, error) from error
    except GoogleAPICallError as error:
        raise _refused(where, error) from error
    except TransportError as error:
        raise UpstreamUnavailable(f"{where}: {_NOBODY_SIGNS}") from error
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"{where}: Google did not accept the credentials: {_short(str(error))}"
        ) from error
    except concurrent.futures.TimeoutError as error:
        raise UpstreamUnavailable(f"{where}: BigQuery did not finish the query in time") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise UpstreamUnavailable(f"{where}: no answer from BigQuery ({told(error)})") from error


def _after_all(where: str, error: RetryError) -> UpstreamError:
    cause = error.cause
    if isinstance(cause, TransportError):
        return UpstreamUnavailable(f"{where}: {_NOBODY_SIGNS}")
    if isinstance(cause, GoogleAPICallError):
        if cause.code == _THROTTLED or _reason(cause) == "rateLimitExceeded":
            return UpstreamThrottled(
                f"{where}: BigQuery still asks to slow down: {told(cause)}; tried until the "
                "deadline"
            )
        return UpstreamUnavailable(f"{where}: BigQuery keeps failing: {told(cause)}")
    return UpstreamUnavailable(
        f"{where}: no answer from BigQuery until the deadline ({told(cause or error)})"
    )


def _refused(where: str, error: GoogleAPICallError) -> Exception:
    said = told(error)
    limit = _LIMIT.search(said)
    if limit or _reason(error) == "bytesBilledLimitExceeded":
        needed = f" to at least {limit[2]}" if limit and limit[2] else ""
        return InvalidInputError(
            f"{where}: the query would bill more than maximum_bytes_billed allows"
            f"{f' ({limit[1]})' if limit else ''}: raise maximum_bytes_billed{needed}"
        )
    if isinstance(error, NotFound):
        return NotFoundError(f"{where}: not found: {said}")
    if isinstance(error, Forbidden):
        return _forbidden(where, error, said)
    if error.code == _THROTTLED:
        return UpstreamThrottled(f"{where}: BigQuery asks to slow down: {said}")
    if error.code is None or error.code >= 500:
        return UpstreamUnavailable(f"{where}: BigQuery failed: {said}")
    return InvalidInputError(f"{where}: BigQuery refused the query: {said}")


def _forbidden(where: str, error: GoogleAPICallError, said: str) -> Exception:
    """Of what comes as 403 a role mends only some."""
    reason = _reason(error)
    if reason == "quotaExceeded":
        return UpstreamThrottled(f"{where}: a quota of the project is used up: {said}")
    if reason in {"accessDenied", "forbidden", None}:
        return AccessDenied(f"{where}: access denied: {said}")
    return ConfigurationError(f"{where}: BigQuery does not allow it: {said}")


def _reason(error: GoogleAPICallError) -> str | None:
    for item in error.errors or ():
        if isinstance(item, Mapping):
            return item.get("reason")
    return None


def told(error: BaseException) -> str:
    """What Google wrote, without the library's notes; of a network error its kind and no more."""
    if not isinstance(error, GoogleAPICallError):
        return type(error).__name__
    for item in error.errors or ():
        if isinstance(item, Mapping) and item.get("message"):
            return _short(str(item["message"]))
    return _short(str(error.message or type(error).__name__))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"
