"""The REST API is closed: every route needs a bearer token, and a role that allows it."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from oco_proxy.middleware.problems import ProblemError
from oco_proxy.middleware.tokens import Token
from oco_proxy.services import Services

# What a role includes: each is allowed what the ones after it are. An agent only calls models.
_RANK: Final = {"admin": 3, "operator": 2, "viewer": 1, "agent": 0}
_CHALLENGE: Final = 'Bearer realm="open-cloud-ops"'

Connection = ASGIConnection[Any, Any, Any, Any]


class TokenAuthentication(AbstractAuthenticationMiddleware):
    """Reads `Authorization: Bearer oco_…` into `request.user`, a `Token`."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """Find the token.

        Raises:
            ProblemError: 401 when there is none or it is not valid.
        """
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise ProblemError(
                401,
                "unauthenticated",
                "Send an access token: Authorization: Bearer oco_…",
                **{"WWW-Authenticate": _CHALLENGE},
            )
        services: Services = connection.app.state.services
        token = await services.tokens.find(secret.strip())
        if token is None:
            raise ProblemError(
                401,
                "unauthenticated",
                "The access token is not valid, has expired or was revoked.",
                **{"WWW-Authenticate": _CHALLENGE},
            )
        return AuthenticationResult(user=token, auth=None)


def _require(connection: Connection, role: str) -> None:
    token: Token = connection.user
    if _RANK[token.role] < _RANK[role]:
        raise ProblemError(
            403, "forbidden", f"This needs the role {role}; the token has the role {token.role}."
        )


def viewer(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: may read."""
    _require(connection, "viewer")


def operator(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: may change what the platform does."""
    _require(connection, "operator")


def admin(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: may hand out access."""
    _require(connection, "admin")
