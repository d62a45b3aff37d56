"""Which dialect reads what: the one place that turns (provider, endpoint) into behaviour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oco_proxy.proxy import anthropic, gemini, gemini_request, openai, openai_request
from oco_proxy.proxy.metering import Meter, Silent
from oco_proxy.proxy.providers import Provider
from oco_proxy.proxy.request_body import RequestShape

# Reads and deletions. What a provider makes of any other method is not ours to guess.
_FREE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of providers speaks.

    Attributes:
        endpoint_of: path without its provider → the endpoint's name in `api_requests`.
        metered: endpoints whose answers say what was used.
        unbilled: endpoints, or first parts of endpoints, that are free, whatever the method.
        asks_for_usage: endpoints whose streams carry usage only when the request says so.
        body_meter: endpoint → the meter of a plain answer.
        stream_meter: endpoint → the meter of a stream of events.
        read_shape: (path, body, tokens of an image, Content-Type) → what the request of a metered
            endpoint asks.
    """

    endpoint_of: Callable[[str], str]
    metered: frozenset[str]
    unbilled: frozenset[str]
    asks_for_usage: frozenset[str]
    body_meter: Callable[[str], Meter]
    stream_meter: Callable[[str], Meter]
    read_shape: Callable[[str, bytes, int, str], RequestShape]


_DIALECTS: Final = {
    "openai": Dialect(
        endpoint_of=openai.endpoint_of,
        metered=openai.METERED,
        unbilled=openai.UNBILLED,
        asks_for_usage=openai.ASKS_FOR_USAGE,
        body_meter=openai.body_meter,
        stream_meter=openai.stream_meter,
        read_shape=openai_request.read_shape,
    ),
    "anthropic": Dialect(
        endpoint_of=openai.endpoint_of,
        metered=anthropic.METERED,
        unbilled=anthropic.UNBILLED,
        asks_for_usage=frozenset(),
        body_meter=lambda _endpoint: anthropic.BodyMeter(),
        stream_meter=lambda _endpoint: anthropic.StreamMeter(),
        read_shape=anthropic.read_shape,
    ),
    "gemini": Dialect(
        endpoint_of=gemini.endpoint_of,
        metered=gemini.METERED,
        unbilled=gemini.UNBILLED,
        asks_for_usage=frozenset(),
        body_meter=lambda _endpoint: gemini.BodyMeter(),
        stream_meter=lambda _endpoint: gemini.StreamMeter(),
        read_shape=gemini_request.read_shape,
    ),
}


def endpoint_of(provider: Provider, path: str) -> str:
    """The endpoint's name in `api_requests.endpoint`."""
    return _DIALECTS[provider.dialect].endpoint_of(path)


def is_metered(provider: Provider, endpoint: str, method: str) -> bool:
    """True when a call is billed by usage that the gateway can read."""
    return method not in _FREE_METHODS and endpoint in _DIALECTS[provider.dialect].metered


def is_billed(provider: Provider, endpoint: str, method: str) -> bool:
    """False for calls that a provider never bills: reads, deletions, and its free endpoints."""
    unbilled = _DIALECTS[provider.dialect].unbilled
    return method not in _FREE_METHODS and unbilled.isdisjoint(
        (endpoint, endpoint.split(".", 1)[0])
    )


def read_shape(provider: Provider, path: str, body: bytes, content_type: str) -> RequestShape:
    """What a request of a metered endpoint asks for.

    Raises:
        InvalidInputError: when the body is not what the dialect expects.
    """
    read = _DIALECTS[provider.dialect].read_shape
    return read(path, body, provider.image_token_bound, content_type)


def asks_for_usage(provider: Provider, endpoint: str) -> bool:
    """True when a stream of this endpoint carries usage only if the request says so."""
    return endpoint in _DIALECTS[provider.dialect].asks_for_usage


def meter_for(provider: Provider, endpoint: str, *, metered: bool, event_stream: bool) -> Meter:
    """The meter of an answer."""
    dialect = _DIALECTS[provider.dialect]
    if not metered or endpoint not in dialect.metered:
        return Silent()
    return dialect.stream_meter(endpoint) if event_stream else dialect.body_meter(endpoint)
