"""From a request to its `Routing`: reads the shape, decides, and rewrites the one value.

Runs before admission, so that the reservation can cover both models.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from oco_proxy.proxy.providers import Provider
from oco_proxy.proxy.request_body import RequestShape
from oco_proxy.router.book import RoutingBook
from oco_proxy.router.decision import decide
from oco_proxy.router.features import read_features
from oco_proxy.router.rewriting import with_model, with_model_in_url
from oco_proxy.router.routing import Routing
from oco_warehouse.pricing import PriceTable

_log = structlog.get_logger(__name__)

# The header by which a request asks to be left alone, and its word for that.
ROUTE_HEADER: Final = b"x-oco-route"
OFF: Final = "off"


def plan(
    book: RoutingBook,
    prices: PriceTable,
    scopes: Sequence[tuple[str, str]],
    *,
    provider: Provider,
    endpoint: str,
    shape: RequestShape,
    body: bytes,
    url: str,
    at: datetime,
    request_id: str,
) -> tuple[Routing, bytes, str] | None:
    """What to do with a call; None when it goes out as it came and no policy has a word on it.

    Args:
        book: policies and models.
        prices: the price table.
        scopes: (scope, entity id) of everything that is known of the caller.
        provider: where the call goes.
        endpoint: as in `api_requests.endpoint`.
        shape: what was read of the request.
        body: the request as it would go out.
        url: where it would go.
        at: aware moment of the call.
        request_id: for the log.

    Returns:
        (routing, body, url) to send.
    """
    policy = book.policy_for(scopes)
    # Where a deployment in the address serves, a model in the body says nothing.
    if policy is None or "/deployments/" in url:
        return None
    features = read_features(
        provider.dialect,
        endpoint,
        body,
        provider=provider.name,
        model=shape.model,
        input_bound=shape.input_bound,
        image_token_bound=provider.image_token_bound,
        output_limit=shape.output_limit,
        service_tier=shape.service_tier,
    )
    if features is None:
        return None
    avoid = book.resting.models(policy.id, time.monotonic())
    decision = decide(features, policy, book.market(prices), at, avoid)
    _log.debug(
        "route_decided",
        request_id=request_id,
        policy_id=policy.id,
        routed=decision.routed,
        reason=decision.reason,
    )
    if decision.routed is None:
        return None
    # The model stands in the body, or as with Gemini in the address.
    new_body, new_url = with_model(body, shape.model, decision.routed), url
    if new_body is None:
        changed_url = with_model_in_url(url, shape.model, decision.routed)
        if changed_url is None:
            return None
        new_body, new_url = body, changed_url
    routing = Routing(
        policy_id=policy.id,
        mode=policy.mode,
        original=shape.model,
        routed=decision.routed,
        expected_saving=decision.expected_saving,
        growth=decision.growth,
        body=body,
        url=url,
    )
    return (routing, new_body, new_url) if policy.mode == "enforce" else (routing, body, url)
