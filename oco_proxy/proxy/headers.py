"""Which headers pass: all of them, except those that belong to one hop or to the gateway.

Their names are in lower case here, as the server and the client beside it deliver them.
"""

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
# Host and length are said anew; the body is here already, so there is nothing left to expect.
_REWRITTEN: Final = frozenset({b"host", b"content-length", b"expect"})
# What a Connection header nearly always says.
_NAMES_NOTHING: Final = frozenset({b"keep-alive", b"close"})
REQUEST_ID: Final = b"x-oco-request-id"
ROUTED_MODEL: Final = b"x-oco-routed-model"


_DROPPED_UPSTREAM: Final = _HOP_BY_HOP | _OURS | _REWRITTEN
_DROPPED_WITH_ENCODING: Final = _DROPPED_UPSTREAM | {b"accept-encoding"}


def for_upstream(headers: RawHeaders, *, identity_encoding: bool) -> RawHeaders:
    """The client's headers as the provider gets them; Host and Content-Length are added anew.

    Args:
        headers: as they came.
        identity_encoding: ask for an uncompressed answer, because an event will be taken out of it.
    """
    if not identity_encoding:
        return _without(headers, _DROPPED_UPSTREAM)
    passed = _without(headers, _DROPPED_WITH_ENCODING)
    passed.append((b"accept-encoding", b"identity"))
    return passed


def for_client(headers: RawHeaders, *, without: frozenset[bytes]) -> RawHeaders:
    """The provider's headers as the client gets them, in their order.

    Args:
        headers: as they came.
        without: names that no longer hold, because an event was taken out of the body.
    """
    return _without(headers, _HOP_BY_HOP | without if without else _HOP_BY_HOP)


def _without(headers: RawHeaders, dropped: frozenset[bytes]) -> RawHeaders:
    for name, value in headers:
        if name == b"connection" and value not in _NAMES_NOTHING:
            # A Connection header names further headers of this one hop.
            dropped |= {word.strip().lower() for word in value.split(b",")}
    return [pair for pair in headers if pair[0] not in dropped]


class Fields:
    """Headers by their names; of several with one name, the first."""

    def __init__(self, headers: RawHeaders) -> None:
        self._values = dict(reversed(headers))

    def get(self, name: bytes) -> str:
        """The value of a header; empty when it is absent."""
        value = self._values.get(name)
        return "" if value is None else value.decode("latin-1")

    def text(self, name: bytes) -> str:
        """A value that people wrote: UTF-8, as the API has it, or Latin-1 where it is none."""
        value = self._values.get(name)
        if value is None:
            return ""
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")
