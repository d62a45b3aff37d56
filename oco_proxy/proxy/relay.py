"""Passes an answer on as it comes, meters a side copy, and settles before the last byte leaves.

Settlement happens exactly once a call, whatever ends it: the answer's end, a provider that breaks
off, a client that leaves, or the server's own shutdown. It has no await, so nothing can cancel it
halfway.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from oco_proxy.exchange import BODILESS
from oco_proxy.middleware.logs import log_call
from oco_proxy.proxy import dialects
from oco_proxy.proxy.decoding import Decoder, decoder_for
from oco_proxy.proxy.headers import REQUEST_ID, ROUTED_MODEL, Fields, RawHeaders, for_client
from oco_proxy.proxy.metering import Meter, Metered
from oco_proxy.proxy.openai import UsageEventRemover
from oco_proxy.proxy.providers import Provider
from oco_proxy.proxy.refusals import Refusal
from oco_proxy.proxy.settlement import CallFacts, Ending, to_record
from oco_proxy.proxy.upstream import Answer, UpstreamFailure
from oco_proxy.proxy.watching import Watched
from oco_proxy.router.routing import Routing
from oco_proxy.services import Services
from oco_warehouse.money import to_nano
from oco_warehouse.records import RequestRecord

_log = structlog.get_logger(__name__)

CLIENT_CLOSED: Final = 499
_LOGS_CALLS: Final = frozenset({"debug", "info"})
_READ_AWAY_SECONDS: Final = 0.2
_READ_AWAY_BYTES: Final = 65_536


@dataclass(slots=True)
class Call:
    """A request that was admitted."""

    facts: CallFacts
    provider: Provider
    method: str
    url: str
    headers: RawHeaders
    body: bytes
    takes_usage_out: bool
    arrived: float
    overhead_us: int = 0
    first_byte_ms: int | None = None
    routing: Routing | None = None
    recorded: bool = False
    client_left: bool = False
    client_stalled: bool = False

    def leave(self, stalled: bool) -> bool:
        """The client is gone, or was sent away because it stalled; False when that was known."""
        known, self.client_left = self.client_left, True
        self.client_stalled = stalled
        return not known

    @property
    def why_left(self) -> str:
        """As in `api_requests.error_type`."""
        return "client_stalled" if self.client_stalled else "client_closed"

    def elapsed_ms(self) -> int:
        """Since the request arrived."""
        return int((time.perf_counter() - self.arrived) * 1000)


class _Body:
    """The answer's body on its two ways: to the client, and through the meter."""

    def __init__(self, call: Call, answer: Answer) -> None:
        fields = Fields(answer.headers)
        encoding = fields.get(b"content-encoding")
        is_stream = fields.get(b"content-type").lower().startswith("text/event-stream")
        ok = answer.status < 400
        self.meter: Meter = dialects.meter_for(
            call.provider,
            call.facts.endpoint,
            metered=call.facts.metered and ok,
            event_stream=is_stream,
        )
        self._decoder: Decoder = decoder_for(encoding)
        self._remover = UsageEventRemover() if call.takes_usage_out and is_stream and ok else None
        # We asked for an uncompressed stream; one that comes compressed is passed on plain, because
        # an event cannot be cut out of compressed bytes.
        self._plain = self._remover is not None and encoding.lower() not in {"", "identity"}
        self.dropped_headers: frozenset[bytes] = frozenset()
        if self._remover is not None:
            changed = (
                {b"content-length", b"content-encoding"} if self._plain else {b"content-length"}
            )
            self.dropped_headers = frozenset(changed)
        length = fields.get(b"content-length")
        self.expected: int | None = int(length) if length.isdigit() else None
        if call.method == "HEAD" or answer.status in BODILESS:
            self.expected = 0
        self._seen = 0
        self.decoded = 0

    @property
    def is_last(self) -> bool:
        """True once a client has everything that it waits for."""
        return self.meter.ended or (self.expected is not None and self._seen >= self.expected)

    def take(self, fragment: bytes) -> bytes:
        """Meter a fragment; returns what the client gets of it now."""
        self._seen += len(fragment)
        plain = self._decoder.feed(fragment)
        self.decoded += len(plain)
        self.meter.feed(plain)
        if self._remover is None:
            return fragment
        return self._remover.feed(plain if self._plain else fragment)

    def rest(self) -> bytes:
        """What the client gets at the end of the answer."""
        return b"" if self._remover is None else self._remover.finish()


async def relay(services: Services, call: Call, receive: Any, send: Any) -> None:
    """Forward an admitted call and answer the client.

    Raises:
        Refusal: 502 or 504, when no byte of an answer was sent to the client yet.
    """
    try:
        drain = services.settings.drain_timeout_seconds
        async with Watched(services.lookout, receive, call.leave, drain):
            await _forward(services, call, send)
    except UpstreamFailure as failure:
        _settle_failure(services, call, failure)
        raise Refusal(failure.status, failure.error_type, f"The call failed: {failure}.") from None
    except TimeoutError:
        # The drain's bound: the client left and the provider still talks.
        _settle(services, call, _gone(call, call.why_left, cut=True), Metered())
    finally:
        if not call.recorded:
            # Cancelled by the server's shutdown, or something unforeseen.
            try:
                _settle(services, call, _gone(call, "gateway_stopped", cut=True), Metered())
            finally:
                if not call.recorded:
                    # No record can be made of it; its hold must end all the same.
                    services.keeper.settle(call.facts.request_id, 0)


async def _forward(services: Services, call: Call, send: Any) -> None:
    sent = await services.upstream.send(call.method, call.url, call.headers, call.body)
    async with sent as answer:
        routing = call.routing
        if routing is None or call.client_left or not routing.gives_up(answer.status):
            if routing is not None and answer.status < 400:
                services.routing.resting.answered(routing.policy_id, routing.routed)
            await _pass_on(services, call, answer, send)
            return
        status = answer.status
        await _read_away(answer)
    rests = services.routing.resting.gave_up(routing.policy_id, routing.routed, time.monotonic())
    _fall_back(call, routing, status, rests=rests)
    sent = await services.upstream.send(call.method, call.url, call.headers, call.body)
    async with sent as answer:
        await _pass_on(services, call, answer, send)


async def _read_away(answer: Answer) -> None:
    """Read a refusal that nobody gets to its end, so that its connection can be used again."""
    size = 0
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(_READ_AWAY_SECONDS):
            while fragment := await answer.next_fragment():
                size += len(fragment)
                if size > _READ_AWAY_BYTES:
                    return


def _fall_back(call: Call, routing: Routing, status: int, *, rests: bool) -> None:
    """The routed model cannot do it: the next request is the one that the client sent."""
    routing.fell_back = True
    call.body, call.url = routing.body, routing.url
    if call.facts.shape is not None:
        call.facts = msgspec.structs.replace(
            call.facts, shape=msgspec.structs.replace(call.facts.shape, model=routing.original)
        )
    _log.info(
        "route_fell_back",
        request_id=call.facts.request_id,
        policy_id=routing.policy_id,
        original=routing.original,
        routed=routing.routed,
        status=status,
        rests=rests,
    )


async def _pass_on(services: Services, call: Call, answer: Answer, send: Any) -> None:
    """Hand an answer to the client as it comes."""
    body = _Body(call, answer)
    call.first_byte_ms = call.elapsed_ms()
    if body.expected == 0:
        _finish(services, call, answer, body)
    headers = for_client(answer.headers, without=body.dropped_headers)
    headers.append((REQUEST_ID, call.facts.request_id.encode()))
    if call.routing is not None and call.routing.is_in_force:
        headers.append((ROUTED_MODEL, call.routing.routed.encode()))
    start = {
        "type": "http.response.start",
        "status": answer.status,
        # Beyond ASGI: the provider's own words go out with its number.
        "reason": answer.reason,
        "headers": headers,
    }
    await _send(call, send, start)
    last = b""
    try:
        while fragment := await answer.next_fragment():
            out = body.take(fragment)
            if body.is_last and not call.recorded:
                _finish(services, call, answer, body)
            if answer.is_read:
                last = out
                break
            if out:
                await _send(
                    call, send, {"type": "http.response.body", "body": out, "more_body": True}
                )
    except (UpstreamFailure, TimeoutError) as failure:
        # Returning without a last body part makes the server cut the client's connection: the
        # client must not take half an answer for a whole one.
        _cut_short(services, call, answer, body, failure)
        return
    except BaseException:
        _cut_short(services, call, answer, body, None)
        raise
    if not call.recorded:
        _finish(services, call, answer, body)
    await _send(call, send, {"type": "http.response.body", "body": last + body.rest()})


def _finish(services: Services, call: Call, answer: Answer, body: _Body) -> None:
    """The answer is complete: record it, then let its last byte go."""
    error_type = f"http_{answer.status}" if answer.status >= 400 else None
    _record(services, call, answer, body, error_type, cut=False)


def _cut_short(
    services: Services, call: Call, answer: Answer, body: _Body, failure: Exception | None
) -> None:
    error_type = failure.error_type if isinstance(failure, UpstreamFailure) else "gateway_stopped"
    _record(services, call, answer, body, error_type, cut=True)


def _record(
    services: Services,
    call: Call,
    answer: Answer,
    body: _Body,
    error_type: str | None,
    *,
    cut: bool,
) -> None:
    ending = Ending(
        status=answer.status,
        latency_ms=call.elapsed_ms(),
        ttft_ms=call.first_byte_ms,
        overhead_us=call.overhead_us,
        error_type=call.why_left if call.client_left else error_type,
        cut=cut,
        answer_bytes=body.decoded,
    )
    _settle(services, call, ending, body.meter.finish())


def _settle_failure(services: Services, call: Call, failure: UpstreamFailure) -> None:
    ending = Ending(
        status=failure.status,
        latency_ms=call.elapsed_ms(),
        overhead_us=call.overhead_us,
        error_type=failure.error_type,
        answered=False,
        reached=failure.reached,
    )
    _settle(services, call, ending, Metered())


def _gone(call: Call, why: str, *, cut: bool) -> Ending:
    """The end of a call that has no answer to speak of."""
    return Ending(
        status=CLIENT_CLOSED,
        latency_ms=call.elapsed_ms(),
        overhead_us=call.overhead_us,
        error_type=why,
        answered=False,
        cut=cut,
    )


def _settle(services: Services, call: Call, ending: Ending, metered: Metered) -> None:
    if call.recorded:
        return
    prices = services.prices.table
    record = to_record(call.facts, ending, metered, prices)
    if call.routing is not None:
        record = call.routing.stamp(record, metered.usage, prices, call.facts.arrived_at)
    services.spool.append(record)
    call.recorded = True
    # The rest may wait until the client has its answer.
    asyncio.get_running_loop().call_soon(_tell, services, record)


def _tell(services: Services, record: RequestRecord) -> None:
    """Free what the call held, count it, log it."""
    cost = 0 if record.cost_usd is None else to_nano(record.cost_usd)
    services.keeper.settle(record.id, cost, record.total_tokens or 0)
    services.metrics.recorded(record)
    if services.settings.gateway_log_level in _LOGS_CALLS:
        log_call({
            "request_id": record.id,
            "provider": record.provider,
            "endpoint": record.endpoint,
            "model": record.model,
            "agent_id": record.agent_id,
            "team_id": record.team_id,
            "status": record.status_code,
            "error": record.error_type,
            "input_tokens": record.input_tokens,
            "output_tokens": record.output_tokens,
            "cost_usd": record.cost_usd,
            "cost_status": record.cost_status,
            "latency_ms": record.latency_ms,
            "overhead_us": record.overhead_us,
        })  # fmt: skip


async def _send(call: Call, send: Any, message: dict[str, Any]) -> None:
    """Send to the client while it is there; the answer is read on without it."""
    if call.client_left:
        return
    try:
        await send(message)
    except OSError:
        call.client_left = True
