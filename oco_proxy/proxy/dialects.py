"""Which dialect reads what: the one place that turns (provider, endpoint) into behaviour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oco_proxy.proxy import openai
from oco_proxy.proxy.metering import Meter, Silent
from oco_proxy.proxy.providers import Provider


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of providers speaks.

    Attributes:
        endpoint_of: path without its provider → the endpoint's name in `api_requests`.
        metered: endpoints whose answers say what was used.
        unbilled: first parts of endpoints that are free, whatever the method.
        asks_for_usage: endpoints whose streams carry usage only when the request says so.
    """

    endpoint_of: Callable[[str], str]
    metered: frozenset[str]
    unbilled: frozenset[str]
    asks_for_usage: frozenset[str]
    body_meter: Callable[[], Meter]
    stream_meter: Callable[[], Meter]


_DIALECTS: Final = {
    "openai": Dialect(
        endpoint_of=openai.endpoint_of,
        metered=openai.METERED,
        unbilled=openai.UNBILLED,
        asks_for_usage=openai.ASKS_FOR_USAGE,
        body_meter=openai.BodyMeter,
        stream_meter=openai.StreamMeter,
    )
}


def endpoint_of(provider: Provider, path: str) -> str:
    """The endpoint's name in `api_requests.endpoint`."""
    return _DIALECTS[provider.dialect].endpoint_of(path)


def is_metered(provider: Provider, endpoint: str, method: str) -> bool:
    """True when a call is billed by usage that the gateway can read."""
    return method == "POST" and endpoint in _DIALECTS[provider.dialect].metered


def is_billed(provider: Provider, endpoint: str, method: str) -> bool:
    """False for calls that a provider never bills: reads, deletions, and its free endpoints."""
    unbilled = _DIALECTS[provider.dialect].unbilled
    return method == "POST" and endpoint.split(".", 1)[0] not in unbilled


def asks_for_usage(provider: Provider, endpoint: str) -> bool:
    """True when a stream of this endpoint carries usage only if the request says so."""
    return endpoint in _DIALECTS[provider.dialect].asks_for_usage


def meter_for(provider: Provider, endpoint: str, *, metered: bool, event_stream: bool) -> Meter:
    """The meter of an answer."""
    dialect = _DIALECTS[provider.dialect]
    if not metered or endpoint not in dialect.metered:
        return Silent()
    return dialect.stream_meter() if event_stream else dialect.body_meter()
