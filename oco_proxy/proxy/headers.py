"""Which headers pass: all of them, except those that belong to one hop or to the gateway."""

from collections.abc import Iterable
from typing import Final

RawHeaders = list[tuple[bytes, bytes]]

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Spoken to the gateway alone; a provider must never see a token of ours.
_OURS: Final = frozenset(
    {b"x-agent-id", b"x-team-id", b"x-user-id", b"x-org-id", b"x-oco-token", b"x-oco-tags"}
    | {b"x-oco-route"}
)
REQUEST_ID: Final = b"x-oco-request-id"
ROUTED_MODEL: Final = b"x-oco-routed-model"


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    return {
        name.strip().lower()
        for key, value in headers
        if key.lower() == b"connection"
        for name in value.split(b",")
    }


def for_upstream(headers: RawHeaders, *, identity_encoding: bool) -> RawHeaders:
    """The client's headers as the provider gets them; Host and Content-Length are added anew.

    Args:
        headers: as they came.
        identity_encoding: ask for an uncompressed answer, because an event will be taken out of it.
    """
    # The body is here already, so there is nothing left to expect.
    own = {b"host", b"content-length", b"expect"}
    dropped = _HOP_BY_HOP | _OURS | _named_by_connection(headers) | own
    if identity_encoding:
        dropped |= {b"accept-encoding"}
    passed = [(name, value) for name, value in headers if name.lower() not in dropped]
    if identity_encoding:
        passed.append((b"accept-encoding", b"identity"))
    return passed


def for_client(headers: Iterable[tuple[bytes, bytes]], *, without: frozenset[bytes]) -> RawHeaders:
    """The provider's headers as the client gets them, in their order.

    Args:
        headers: as they came.
        without: names that no longer hold, because an event was taken out of the body.
    """
    kept = list(headers)
    dropped = _HOP_BY_HOP | _named_by_connection(kept) | without
    return [(name.lower(), value) for name, value in kept if name.lower() not in dropped]


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """The value of a header; empty when it is absent."""
    for key, value in headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return ""
