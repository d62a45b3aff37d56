"""The hot route: an ASGI application mounted at `/api/v1/proxy`, below Litestar's own handling.

It reads the request, asks whether it may pass, and hands the answer over to `relay`.
"""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from oco_proxy.budget.verdicts import BudgetExceeded, BudgetUnavailable, RateLimited
from oco_proxy.exchange import ClientSilent
from oco_proxy.middleware.problems import place_of
from oco_proxy.proxy import dialects
from oco_proxy.proxy.forms import is_form
from oco_proxy.proxy.headers import REQUEST_ID, Fields, RawHeaders, for_upstream
from oco_proxy.proxy.identity import InvalidToken, identify, read_tags
from oco_proxy.proxy.providers import DialectName, Provider
from oco_proxy.proxy.refusals import Refusal, over_budget, rate_limited, unpriced
from oco_proxy.proxy.relay import Call, relay
from oco_proxy.proxy.request_body import RequestShape, ask_for_usage
from oco_proxy.proxy.settlement import BYTES_PER_TOKEN, CallFacts
from oco_proxy.router.plan import OFF, ROUTE_HEADER, plan
from oco_proxy.services import Services
from oco_warehouse.database import POSTGRES_GONE
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.pricing import PriceTiers, unpriced_tool, worst_case

_log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1/proxy"
_RAW_PREFIX: Final = PREFIX.encode() + b"/"
# From here on a body is read in a thread: each look at it keeps the interpreter for itself, but
# between two of them other calls have their turn.
LARGE_BODY_BYTES: Final = 1024 * 1024
# A body may spell the member that asks for usage again and again, which takes a step for each.
CROWDED_BODY_BYTES: Final = 128 * 1024


class ClientGone(Exception):
    """The client left before its request was complete."""


@dataclass(slots=True)
class Target:
    """Where a request goes."""

    provider: Provider
    path: str
    url: str
    endpoint: str
    metered: bool


class ProxyRoute:
    """The mounted application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        # Unique, not secret: the kernel need not be asked.
        request_id = f"{random.getrandbits(128):032x}"
        try:
            call = await self._accept(scope, receive, request_id)
            await relay(self._services, call, receive, send)
        except Refusal as refusal:
            await self._refuse(refusal, request_id, scope, send)
        except ClientGone:
            _log.info("client_left_before_its_request_was_complete", request_id=request_id)
        except Exception as error:
            # The type and the place, never the message: it might quote what a client sent.
            _log.error(
                "unexpected_error",
                request_id=request_id,
                error=type(error).__name__,
                place=place_of(error),
            )
            raise

    async def _accept(self, scope: Any, receive: Any, request_id: str) -> Call:
        """Everything before the first byte goes out: identify, estimate, admit."""
        arrived = time.perf_counter()
        arrived_at = datetime.now(UTC)
        services = self._services
        headers: RawHeaders = list(scope["headers"])
        fields = Fields(headers)
        method = str(scope["method"])
        target = self._target(scope, method)
        if not services.spool.accepts:
            raise Refusal(
                503,
                "ledger_full",
                "Calls cannot be recorded now: the spool is full or its disk refuses writes.",
                retry_after=5,
            )
        body = await _read_body(receive, fields, services.settings.max_body_bytes)
        began = time.perf_counter()
        try:
            identity = await identify(
                fields,
                services.tokens,
                services.directory,
                token_required=services.settings.require_token,
            )
            tags = read_tags(fields)
            shape = (
                _shape(target, headers, fields, body)
                if len(body) < LARGE_BODY_BYTES
                else await asyncio.to_thread(_shape, target, headers, fields, body)
            )
        except InvalidToken as error:
            raise Refusal(401, "invalid_token", str(error)) from None
        except InvalidInputError as error:
            raise Refusal(400, "invalid_request", str(error)) from None
        except POSTGRES_GONE:
            raise Refusal(
                503, "warehouse_unreachable", "Tokens cannot be checked now.", retry_after=2
            ) from None
        facts = CallFacts(
            request_id=request_id,
            provider=target.provider.name,
            endpoint=target.endpoint,
            identity=identity,
            tags=tags,
            shape=shape,
            arrived_at=arrived_at,
            metered=target.metered,
            billed=dialects.is_billed(target.provider, target.endpoint, method),
            gateway_id=services.spool.gateway_id,
            price_provider=target.provider.price_provider,
        )
        asked = None
        if shape is not None and services.settings.stream_usage and _lacks_usage(target, shape):
            asked = (
                ask_for_usage(body, shape.has_stream_options)
                if len(body) < CROWDED_BODY_BYTES
                else await asyncio.to_thread(ask_for_usage, body, shape.has_stream_options)
            )
        call = Call(
            facts=facts,
            provider=target.provider,
            method=method,
            url=target.url,
            headers=for_upstream(headers, identity_encoding=asked is not None),
            body=body if asked is None else asked,
            takes_usage_out=asked is not None,
            arrived=arrived,
        )
        self._route(call, fields)
        await self._admit(call)
        call.overhead_us = int((time.perf_counter() - began) * 1_000_000)
        return call

    def _target(self, scope: Any, method: str) -> Target:
        name, text = _provider_and_path(scope)
        provider = self._services.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self._services.providers))
            raise Refusal(
                404,
                "unknown_provider",
                f"This gateway has no such provider; it has: {known}. "
                f"Paths look like {PREFIX}/openai/v1/chat/completions.",
                {"providers": sorted(self._services.providers)},
            )
        query = scope.get("query_string", b"").decode("latin-1")
        url = f"{provider.base_url}/{text}" + (f"?{query}" if query else "")
        endpoint = dialects.endpoint_of(provider, text)
        return Target(
            provider, text, url, endpoint, dialects.is_metered(provider, endpoint, method)
        )

    def _route(self, call: Call, headers: Fields) -> None:
        """Let a policy of the caller choose a cheaper model."""
        services, facts = self._services, call.facts
        if not services.routing.policies or facts.shape is None:
            return
        if headers.get(ROUTE_HEADER).strip().lower() == OFF:
            return
        planned = plan(
            services.routing,
            services.prices.table,
            _scopes(facts),
            provider=call.provider,
            endpoint=facts.endpoint,
            shape=facts.shape,
            body=call.body,
            url=call.url,
            at=facts.arrived_at,
            request_id=facts.request_id,
        )
        if planned is None:
            return
        call.routing, call.body, call.url = planned
        if call.routing.is_in_force:
            call.facts = msgspec.structs.replace(
                facts, shape=msgspec.structs.replace(facts.shape, model=call.routing.routed)
            )

    async def _admit(self, call: Call) -> None:
        """Count the call in the caller's rate limits, hold its worst case in the budgets."""
        services, facts = self._services, call.facts
        scopes = _scopes(facts)
        if not scopes:
            return
        try:
            if facts.billed:
                services.keeper.require_limits()
            amount = self._worst_case(call) if facts.billed else 0
            if amount is None and services.keeper.limits.claims(scopes, facts.arrived_at):
                raise unpriced(*self._unpriced(call))
            tokens = 0 if facts.shape is None else _expected_tokens(facts.shape)
            began = time.perf_counter()
            await services.keeper.admit(
                facts.request_id, scopes, amount or 0, facts.arrived_at, tokens
            )
            services.metrics.budget_checked(time.perf_counter() - began)
        except BudgetExceeded as error:
            raise over_budget(error, datetime.now(UTC)) from None
        except RateLimited as error:
            raise rate_limited(error) from None
        except BudgetUnavailable as error:
            raise Refusal(
                503, "budget_unavailable", f"Budgets cannot be checked: {error}.", retry_after=1
            ) from None

    def _worst_case(self, call: Call) -> int | None:
        """Nano-dollars that the call can cost at most; None when its price is not known."""
        shape = call.facts.shape
        if shape is None or shape.unmeasured:
            return None
        worst = self._worst_of(call, shape)
        if worst is None or call.routing is None:
            return worst
        # A routed model may give up, and then the original one answers.
        other = self._worst_of(call, msgspec.structs.replace(shape, model=call.routing.original))
        return None if other is None else max(worst, other)

    def _worst_of(self, call: Call, shape: RequestShape) -> int | None:
        most: int | None = None
        for prices in self._prices(call, shape):
            output = (
                0 if call.facts.endpoint == "embeddings" else _output_bound(call, shape, prices)
            )
            worst = worst_case(prices, shape.input_bound, output, shape.tool_uses, shape.tools)
            if worst is None:
                return None
            most = worst if most is None else max(most, worst)
        return most

    def _prices(self, call: Call, shape: RequestShape) -> list[PriceTiers]:
        return self._services.prices.table.possible(
            call.provider.price_provider or call.provider.name,
            shape.model,
            call.facts.arrived_at,
            shape.service_tier,
        )

    def _unpriced(self, call: Call) -> tuple[str, str]:
        """(what of a call has no price, where one can be added; empty where none can)."""
        shape = call.facts.shape
        if shape is None:
            return f"{call.facts.endpoint!r} calls", ""
        if shape.unmeasured:
            return shape.unmeasured, ""
        for prices in self._prices(call, shape) if shape.tools else ():
            tool = unpriced_tool(prices, shape.tools)
            if tool is not None:
                return f"tool {tool!r} of model {shape.model!r}", "tool_prices in model_pricing"
        return f"model {shape.model!r}", "model_pricing"

    def _dialect(self, scope: Any) -> DialectName:
        """Whose shape of an error the caller's SDK reads."""
        provider = self._services.providers.get(_provider_and_path(scope)[0])
        return provider.dialect if provider is not None else "openai"

    async def _refuse(self, refusal: Refusal, request_id: str, scope: Any, send: Any) -> None:
        self._services.metrics.refused(refusal.code)
        content_type, body = refusal.body(
            self._services.settings.error_shape, request_id, self._dialect(scope)
        )
        headers = [
            *refusal.headers(content_type),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
            (REQUEST_ID, request_id.encode()),
        ]
        _log.info(
            "refused",
            request_id=request_id,
            method=scope["method"],
            status=refusal.status,
            code=refusal.code,
        )
        with suppress(OSError):
            await send(
                {"type": "http.response.start", "status": refusal.status, "headers": headers}
            )
            await send({"type": "http.response.body", "body": body})


def _provider_and_path(scope: Any) -> tuple[str, str]:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    name, _, path = raw[len(_RAW_PREFIX) :].partition(b"/")
    return name.decode("latin-1"), path.decode("latin-1")


def _scopes(facts: CallFacts) -> list[tuple[str, str]]:
    """(scope, entity id) of the caller, tags included."""
    tags = [(f"tag:{name}", value) for name, value in facts.tags.items()]
    return [*facts.identity.scopes(), *tags]


def _output_bound(call: Call, shape: RequestShape, prices: PriceTiers) -> int:
    if shape.output_limit is not None:
        return shape.output_limit
    known = prices.max_output_tokens or call.provider.output_bound(shape.model)
    return known * shape.choices


def _expected_tokens(shape: RequestShape) -> int:
    return shape.input_bound // BYTES_PER_TOKEN + (shape.output_limit or 0)


def _lacks_usage(target: Target, shape: RequestShape) -> bool:
    return (
        shape.stream
        and not shape.wants_usage
        and dialects.asks_for_usage(target.provider, target.endpoint)
    )


def _shape(target: Target, headers: RawHeaders, fields: Fields, body: bytes) -> RequestShape | None:
    if not target.metered:
        return None
    if fields.get(b"content-encoding").lower() not in {"", "identity"}:
        raise Refusal(
            415,
            "unsupported_content_encoding",
            "Send the request body uncompressed: the gateway reads the model and the limits in it.",
        )
    content_type = fields.get(b"content-type")
    if is_form(content_type) and sum(name == b"content-type" for name, _ in headers) > 1:
        raise InvalidInputError("a form needs one Content-Type header, and there are several")
    return dialects.read_shape(target.provider, target.path, body, content_type)


async def _read_body(receive: Any, headers: Fields, limit: int) -> bytes:
    length = headers.get(b"content-length")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            message = await receive()
        except ClientSilent as silent:
            raise Refusal(silent.status_code, silent.code, silent.detail) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if part:
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "body_too_large", f"The request body is larger than {limit} bytes.")
