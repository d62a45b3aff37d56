"""Meters: fed the decoded bytes of an answer, they say what was used.

Pure and incremental: no I/O, no clock, and never an exception, whatever the bytes are. A provider's
dialect supplies the meters; `dialects` chooses one by provider and endpoint.
"""

from typing import Protocol

import msgspec

from oco_proxy.proxy.decoding import MAX_DECODED_BYTES
from oco_warehouse.pricing import Usage


class Metered(msgspec.Struct, frozen=True):
    """What an answer said about itself.

    Attributes:
        usage: counts in the platform's own terms; None when the answer carried none.
        model: the model that served, where it is said.
        service_tier: the tier that served, where it is said.
        output_events: content events of a stream: an estimate of its tokens where usage is missing.
        complete: the answer came to its own end.
        usage_is_final: `usage` is what will be billed; False for counts that were still growing.
        estimable: where usage is missing, sizes tell of it; False for pictures and sounds.
    """

    usage: Usage | None = None
    model: str | None = None
    service_tier: str | None = None
    output_events: int = 0
    complete: bool = False
    usage_is_final: bool = True
    estimable: bool = True


class Meter(Protocol):
    """Reads one answer; `ended` is True once it has said everything that a client waits for."""

    ended: bool

    def feed(self, data: bytes) -> None:
        """Take the next decoded fragment."""
        ...

    def finish(self) -> Metered:
        """What is known; may be called once, after the last fragment that came."""
        ...


class Silent:
    """The meter of paths that carry no usage."""

    def __init__(self) -> None:
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Ignore the fragment."""

    def finish(self) -> Metered:
        """Nothing is known."""
        return Metered()


class KeptBody:
    """A plain answer, kept until its end; one beyond the bound is let go and reads as empty."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._overflow = False

    def feed(self, data: bytes) -> None:
        """Keep the fragment."""
        if len(self._body) + len(data) > MAX_DECODED_BYTES:
            self._overflow = True
            self._body.clear()
        if not self._overflow:
            self._body += data

    def take(self) -> bytes:
        """The whole body; it is not kept any longer."""
        body = bytes(self._body)
        self._body.clear()
        return body
