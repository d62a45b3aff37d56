"""From a request to what is sent instead, in each provider's dialect."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from oco_proxy.proxy.providers import Provider
from oco_proxy.proxy.request_body import RequestShape
from oco_proxy.router.book import RoutingBook
from oco_proxy.router.catalogue import Catalogue, ModelTier
from oco_proxy.router.plan import plan
from oco_proxy.router.policies import Policies, RoutingPolicy
from oco_proxy.router.resting import TIMES
from oco_warehouse.pricing import Price, PriceTable

AT = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = {"openai": "chat.completions", "anthropic": "messages", "gemini": "generateContent"}
URL = "https://host/v1beta/models/dear:generateContent?key=k"
PRICES = PriceTable(
    Price(provider, model, Decimal(amount), Decimal(amount), "t")
    for provider in NAMES
    for model, amount in (("dear", 10), ("cheap", 1))
)


def book_of(mode: Any = "enforce") -> RoutingBook:
    book = RoutingBook()
    book.policies = Policies([RoutingPolicy("p", "agent", "bot", "balanced", mode)])
    book.catalogue = Catalogue(
        ModelTier(provider, model, cast(Any, tier), quality, 200_000, 8_000, sampling=True)
        for provider in NAMES
        for model, tier, quality in (("dear", "premium", 9), ("cheap", "economy", 1))
    )
    return book


def planned(book: RoutingBook, dialect: str, body: bytes, **more: Any) -> Any:
    provider = Provider(
        name=dialect, dialect=cast(Any, dialect), base_url="https://host",
        default_output_bound=8_000, image_token_bound=1_000, max_output_tokens={},
    )  # fmt: skip
    shape = RequestShape(
        model="dear", stream=False, wants_usage=False, has_stream_options=False, output_limit=9,
        choices=1, service_tier=None, input_bound=len(body),
    )  # fmt: skip
    settings: dict[str, Any] = {
        "provider": provider, "endpoint": NAMES[dialect], "shape": shape, "body": body,
        "url": URL, "at": AT, "request_id": "r", **more,
    }  # fmt: skip
    return plan(book, PRICES, [("agent", "bot")], **settings)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_the_model_changes_in_the_body(dialect: str) -> None:
    body = json.dumps({"model": "dear", "messages": [{"role": "user", "content": "hi"}]}).encode()
    routing, sent, url = planned(book_of(), dialect, body)
    assert (sent, url) == (body.replace(b'"dear"', b'"cheap"'), URL)
    assert (routing.body, routing.url, routing.routed) == (body, URL, "cheap")
    assert routing.is_in_force


def test_geminis_model_changes_in_the_address() -> None:
    body = b'{"contents":[{"parts":[{"text":"hi"}]}]}'
    routing, sent, url = planned(book_of(), "gemini", body)
    assert (sent, url) == (body, URL.replace("dear", "cheap"))
    assert (routing.body, routing.url) == (body, URL)


def test_a_dry_run_sends_what_came() -> None:
    body = b'{"model":"dear"}'
    routing, sent, url = planned(book_of("dry_run"), "openai", body)
    assert (sent, url, routing.routed, routing.is_in_force) == (body, URL, "cheap", False)


def test_what_cannot_be_rewritten_is_sent_as_it_came() -> None:
    elsewhere = "https://host/v1/chat/completions"
    assert planned(book_of(), "openai", b'{"mod\\u0065l":"dear"}', url=elsewhere) is None
    assert planned(book_of(), "openai", b'{"model":"dear"}', endpoint="embeddings") is None


def test_a_resting_model_is_not_chosen() -> None:
    book = book_of()
    for _ in range(TIMES):
        book.resting.gave_up("p", "cheap", 10.0**12)
    assert planned(book, "openai", b'{"model":"dear"}') is None
