"""Request ids, one log line a request, and security headers, for everything but the hot route."""

import re
import time
from typing import Any, Final
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger(__name__)

_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        (
            b"default-src 'self'; script-src 'self' 'unsafe-inline'; "
            b"style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
        ),
    ),
)


class RequestMiddleware(ASGIMiddleware):
    """Gives a request its id (the caller's own, if it is a plain one) and answers it."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        text = given.decode("latin-1")
        request_id = text if _ACCEPTED.fullmatch(text) else uuid4().hex
        scope["state"]["request_id"] = request_id
        began = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *SECURITY_HEADERS,
                ]
            await send(message)

        try:
            await next_app(scope, receive, answer)
        finally:
            _log_request(scope, request_id, status, began)


def _log_request(scope: Any, request_id: str, status: int, began: float) -> None:
    # The path without its query: identifiers may be in it, words are not.
    path = scope["path"]
    if path in {"/healthz", "/readyz"} and status < 400:
        return
    _log.info(
        "request",
        request_id=request_id,
        method=scope["method"],
        path=path,
        status=status,
        latency_ms=int((time.perf_counter() - began) * 1000),
    )
