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
_NO_ROUTE: Final = "none of ours"
_QUIET: Final = frozenset({"/healthz", "/readyz"})
# The hot route answers for itself: a provider's headers pass through as they are.
_HOT: Final = b"/api/v1/proxy/"
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


def request_id_of(scope: Any) -> str:
    """The request's id: the caller's own, if it is a plain one."""
    state = scope["state"]
    known = state.get("request_id")
    if known is None:
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"").decode(
            "latin-1"
        )
        known = state["request_id"] = given if _ACCEPTED.fullmatch(given) else uuid4().hex
    return str(known)


def _methods_of(scope: Any) -> bytes:
    """What a path takes. Litestar answers with the methods of the handler that came first."""
    found = {
        method
        for route in scope["litestar_app"].routes
        if getattr(route, "path_format", None) == scope["path_template"]
        for method in route.methods
    }
    return ", ".join(sorted(found)).encode()


class RequestClock(ASGIMiddleware):
    """Notes when a request began."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        scope["state"]["began"] = time.perf_counter()
        await next_app(scope, receive, send)


async def finish_headers(message: Message, scope: Scope) -> None:
    """Litestar's before-send hook: it sees every answer, those of unknown paths too."""
    if message["type"] != "http.response.start" or scope["raw_path"].startswith(_HOT):
        return
    request_id = request_id_of(scope)
    headers = list(message["headers"])
    if scope.get("method") == "OPTIONS" and scope.get("path_template"):
        headers = [(key, value) for key, value in headers if key.lower() != b"allow"]
        headers.append((b"allow", _methods_of(scope)))
    message["headers"] = [
        *headers,
        (b"x-request-id", request_id.encode()),
        *SECURITY_HEADERS,
    ]
    status = message["status"]
    # The route's own words: a path, like a query, may hold anything, a key that went astray too.
    path = scope.get("path_template") or _NO_ROUTE
    if path in _QUIET and status < 400:
        return
    began = scope["state"].get("began")
    _log.info(
        "request",
        request_id=request_id,
        method=scope.get("method"),
        path=path,
        status=status,
        latency_ms=None if began is None else int((time.perf_counter() - began) * 1000),
    )
