"""The application: `uvicorn --factory oco_proxy.app:create_front`, or `python -m oco_proxy`."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from litestar import Litestar, Router, asgi
from litestar.config.cors import CORSConfig
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from oco_proxy.api import docs, dr_status, health, insights, lists, prices
from oco_proxy.api.budgets import BudgetController
from oco_proxy.api.channels import ChannelController
from oco_proxy.api.costs import daily_costs
from oco_proxy.api.document import document_problems
from oco_proxy.api.dr_policies import DrPolicyController
from oco_proxy.api.fields import AmountSchema
from oco_proxy.api.policies import GovernancePolicyController
from oco_proxy.api.rate_limits import RateLimitController
from oco_proxy.api.recommendations import RecommendationController
from oco_proxy.api.recovery import RecoveryController
from oco_proxy.api.routing import RoutingPolicyController
from oco_proxy.api.routing_models import RoutingController
from oco_proxy.api.sources import SourceController
from oco_proxy.api.tokens import TokenController
from oco_proxy.api.violations import ViolationController
from oco_proxy.middleware.auth import TokenAuthentication
from oco_proxy.middleware.logs import configure_logs
from oco_proxy.middleware.problems import to_problem
from oco_proxy.middleware.requests import RequestClock, finish_headers
from oco_proxy.middleware.strictness import refuse_what_is_not_documented
from oco_proxy.proxy.route import PREFIX, ProxyRoute
from oco_proxy.services import open_services
from oco_warehouse import __version__
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import Settings, load_settings

_ABOUT = (
    "Model calls go to /api/v1/proxy/{provider}/… exactly as a provider's own API takes them. "
    "Everything below needs an access token."
)


_PROXIED: Final = f"{PREFIX}/"


def create_front(settings: Settings | None = None) -> "Front":
    """What a server serves: the application behind its fast lane."""
    settings = settings or load_settings()
    return Front(create_app(settings), answers_browsers=bool(settings.cors_origins))


def create_app(settings: Settings | None = None) -> Litestar:
    """The gateway and its API; everything that it needs is opened when it starts."""
    settings = settings or load_settings()
    configure_logs(settings.gateway_log_level)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(settings))
            except OpenCloudOpsError as error:
                sys.stderr.write(f"oco: {error}\n")
                raise
            app.state.services = services
            app.state.route = ProxyRoute(services)
            yield

    api = Router(
        path="/api/v1",
        route_handlers=[
            BudgetController,
            RateLimitController,
            RoutingPolicyController,
            RoutingController,
            TokenController,
            RecoveryController,
            lists.list_requests,
            lists.list_models,
            RecommendationController,
            lists.list_backups,
            daily_costs,
            ChannelController,
            SourceController,
            GovernancePolicyController,
            ViolationController,
            DrPolicyController,
            *dr_status.ROUTES,
            *insights.ROUTES,
            *prices.ROUTES,
        ],
        middleware=[DefineMiddleware(TokenAuthentication)],
        before_request=refuse_what_is_not_documented,
        security=[{"token": []}],
    )
    app = Litestar(
        route_handlers=[proxy, api, health.healthz, health.readyz, health.metrics],
        lifespan=[lifespan],
        middleware=[RequestClock()],
        before_send=[finish_headers],
        exception_handlers={Exception: to_problem},
        cors_config=CORSConfig(allow_origins=settings.cors_origins, expose_headers=["*"]),
        openapi_config=OpenAPIConfig(
            title="Open Cloud Ops",
            version=__version__,
            description=_ABOUT,
            path="/docs",
            render_plugins=docs.PLUGINS,
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
        ),
        plugins=[AmountSchema()],
        logging_config=None,
        request_max_body_size=1024 * 1024,
        debug=False,
    )
    document_problems(app)
    return app


class Front:
    """What the server calls: proxied calls go straight to their route, all else through Litestar.

    Litestar's layers would add a tenth to a call's cost.

    Args:
        app: the application.
        answers_browsers: calls from web pages take its layers, for CORS.
    """

    def __init__(self, app: Litestar, *, answers_browsers: bool) -> None:
        self._app = app
        self._answers_browsers = answers_browsers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection's scope, as ASGI has it."""
        is_hot = scope["type"] == "http" and scope["path"].startswith(_PROXIED)
        if not is_hot or (self._answers_browsers and _is_from_a_page(scope)):
            await self._app(scope, receive, send)
        else:
            await self._app.state.route(scope, receive, send)


def _is_from_a_page(scope: Any) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


@asgi(PREFIX, is_mount=True, copy_scope=False)
async def proxy(scope: Any, receive: Any, send: Any) -> None:
    """Hand over to the hot route."""
    await scope["app"].state.route(scope, receive, send)
