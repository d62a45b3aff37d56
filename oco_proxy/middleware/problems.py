"""Every error of the API as RFC 9457 `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from oco_proxy.middleware.requests import request_id_of
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    WarehouseUnreachable,
)

_log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
_STATUS: Final[dict[type[Exception], tuple[int, str]]] = {
    InvalidInputError: (400, "invalid_input"),
    NotFoundError: (404, "not_found"),
    ConflictError: (409, "conflict"),
    WarehouseUnreachable: (503, "warehouse_unreachable"),
}
_CODES: Final = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}


class ProblemError(HTTPException):
    """An HTTP error with a code of its own."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail=detail, status_code=status, headers=headers or None)
        self.code = code


def problem_body(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The JSON of a problem; `type` is a stable URN, `instance` the request's id."""
    return msgspec.json.encode(
        {
            "type": f"urn:oco:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": f"urn:oco:request:{request_id}",
            **(extra or {}),
        }
    )


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler: an unexpected error says nothing about itself but its id."""
    status, code, detail = 500, "internal", "Something went wrong here; the log knows this request."
    headers: dict[str, str] = {}
    request_id = request_id_of(request.scope)
    extra: dict[str, Any] = {}
    if isinstance(error, ProblemError):
        status, code, detail = error.status_code, error.code, error.detail
        headers = dict(error.headers or {})
    elif isinstance(error, HTTPException):
        status, detail = error.status_code, error.detail
        code = _CODES.get(status, "refused" if status < 500 else "internal")
        headers = dict(error.headers or {})
        if isinstance(error, ValidationException) and isinstance(error.extra, list):
            extra["errors"] = errors = [_said(one) for one in error.extra]
            detail = "; ".join(f"{one.get('key', 'request')}: {one['message']}" for one in errors)
    elif isinstance(error, (asyncpg.CharacterNotInRepertoireError, UnicodeDecodeError)):
        status, code = 400, "invalid_input"
        detail = "The request has a text that is not UTF-8 or contains a NUL character."
    elif isinstance(error, POSTGRES_GONE) and _is_outage(error):
        status, code = 503, "warehouse_unreachable"
        detail = "PostgreSQL does not answer; try again shortly."
        headers["Retry-After"] = "2"
    elif isinstance(error, RecursionError):
        status, code, detail = 400, "invalid_input", "The body is nested too deeply."
    else:
        for kind, (known_status, known_code) in _STATUS.items():
            if isinstance(error, kind):
                status, code, detail = known_status, known_code, str(error)
                break
        else:
            # The type and the place, never the message: it might quote what a client sent.
            _log.error(
                "unexpected_error",
                request_id=request_id,
                error=type(error).__name__,
                place=place_of(error),
            )
    body = problem_body(
        status=status,
        code=code,
        title=HTTPStatus(status).phrase,
        detail=detail,
        request_id=request_id,
        extra=extra,
    )
    return Response(body, status_code=status, media_type=CONTENT_TYPE, headers=headers)


def _said(error: dict[str, str]) -> dict[str, str]:
    """One of Litestar's errors; of a body that is missing it says only what its variable is."""
    if error.get("key") == "data" and error["message"] == "'data'":
        return {"key": "body", "message": "a JSON object is needed", "source": "body"}
    return error


def _is_outage(error: Exception) -> bool:
    if not isinstance(error, asyncpg.PostgresError):
        return True
    # Classes 08, 53 and 57: connection failures, no resources left, the server shuts down.
    return (error.sqlstate or "")[:2] in {"08", "53", "57"}


def place_of(error: Exception) -> str:
    """Module and line where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
