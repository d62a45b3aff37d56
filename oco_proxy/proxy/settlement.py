"""How a call ended becomes its row: pure, so that every ending can be tried in a test.

Facts and endings are Structs, because one of each is made for every call.
"""

import re
from datetime import datetime
from typing import Final

import msgspec

from oco_proxy.proxy.metering import Metered
from oco_proxy.proxy.request_body import RequestShape
from oco_proxy.proxy.tools import BILLED_BY_TIME
from oco_warehouse.pricing import (
    NOTHING,
    UNPRICED,
    Cost,
    CostStatus,
    PriceTable,
    Usage,
    price_usage,
)
from oco_warehouse.records import Identity, RequestRecord

# A token of running text has about four bytes in every tokenizer that is in use.
BYTES_PER_TOKEN: Final = 4
MAX_NAME: Final = 200
# No model reads or writes nearly as much: a count beyond it is none.
_MAX_COUNT: Final = 1_000_000_000
_NO_CONTENT: Final = frozenset({204, 205})
_TIER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")


class CallFacts(msgspec.Struct, frozen=True):
    """What was known before the answer.

    Attributes:
        metered: the endpoint is billed by usage that the gateway reads.
        billed: the call can cost anything at all.
        price_provider: whose prices hold, where these are another provider's; else empty.
    """

    request_id: str
    provider: str
    endpoint: str
    identity: Identity
    tags: dict[str, str]
    shape: RequestShape | None
    arrived_at: datetime
    metered: bool
    billed: bool
    gateway_id: str
    price_provider: str = ""


class Ending(msgspec.Struct, frozen=True):
    """How it ended.

    Attributes:
        status: HTTP status that the client got or would have got.
        error_type: None when nothing went wrong.
        answered: the provider's answer began.
        reached: the request can have reached the provider.
        cut: the answer did not come to its end here.
        answer_bytes: decoded bytes of the answer that were seen.
    """

    status: int
    latency_ms: int
    ttft_ms: int | None = None
    overhead_us: int | None = None
    error_type: str | None = None
    answered: bool = True
    reached: bool = True
    cut: bool = False
    answer_bytes: int = 0


def to_record(
    facts: CallFacts, ending: Ending, metered: Metered, prices: PriceTable
) -> RequestRecord:
    """The row of a call.

    A call that the provider refused, sent elsewhere or left without content costs nothing. One that
    ended without usage is estimated from sizes: `estimated` when it was complete, `partial` when it
    was cut short. One of which nothing is known after it reached the provider is `unpriced`,
    never 0.
    """
    shape = facts.shape
    asked = shape.model if shape is not None else ""
    served = metered.model or asked
    tier = metered.service_tier or (shape.service_tier if shape is not None else None)
    usage, cost = _judge(facts, ending, metered, prices, names=(served, asked), tier=tier)
    total = None
    if usage is not None and usage.input_tokens is not None and usage.output_tokens is not None:
        total = usage.input_tokens + usage.output_tokens
    return RequestRecord(
        id=facts.request_id,
        provider=facts.provider,
        endpoint=facts.endpoint,
        model=_clean(served),
        agent_id=facts.identity.agent_id,
        team_id=facts.identity.team_id,
        user_id=facts.identity.user_id,
        org_id=facts.identity.org_id,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        total_tokens=total,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
        cache_write_tokens=usage.cache_write_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        cost_usd=cost.cost_usd,
        input_cost_usd=cost.input_cost_usd,
        output_cost_usd=cost.output_cost_usd,
        cost_status=cost.status,
        price_version=cost.price_version,
        service_tier=_clean(tier) if tier else None,
        requested_service_tier=_asked_tier(shape),
        stream=bool(shape and shape.stream),
        latency_ms=ending.latency_ms,
        ttft_ms=ending.ttft_ms,
        overhead_us=ending.overhead_us,
        status_code=ending.status,
        error_type=ending.error_type,
        original_model=_clean(asked) or None,
        tags=facts.tags,
        gateway_id=facts.gateway_id,
        timestamp=facts.arrived_at,
    )


def _judge(
    facts: CallFacts,
    ending: Ending,
    metered: Metered,
    prices: PriceTable,
    *,
    names: tuple[str, str],
    tier: str | None,
) -> tuple[Usage | None, Cost]:
    if not facts.billed or not ending.reached or (ending.answered and _is_free(ending.status)):
        return None, NOTHING
    if not ending.answered or not facts.metered or facts.shape is None:
        return None, UNPRICED
    usage = metered.usage
    if usage is not None and _is_absurd(usage):
        usage, metered = None, msgspec.structs.replace(metered, usage=None)
    if usage is None and (facts.shape.unmeasured or not metered.estimable):
        return None, UNPRICED
    status: CostStatus = "exact"
    if usage is None or not metered.usage_is_final:
        status = "partial" if ending.cut else "estimated"
        usage = _estimate(facts.shape, ending, metered)
    if facts.shape.tools and (standing := BILLED_BY_TIME & facts.shape.tools):
        # A container is billed by its time, also where the answer does not tell of it.
        uses = {**dict.fromkeys(standing, 1), **usage.tool_uses}
        usage = msgspec.structs.replace(usage, tool_uses=uses)
        status = "estimated" if status == "exact" else status
    found = prices.find(facts.price_provider or facts.provider, names, facts.arrived_at, tier)
    return usage, price_usage(found, usage, status)


def _is_free(status: int) -> bool:
    """A refusal, a redirect, or an answer that has no content: no model ran for it."""
    return status >= 300 or status in _NO_CONTENT


def _is_absurd(usage: Usage) -> bool:
    counts = (usage.input_tokens or 0, usage.output_tokens or 0, *usage.tool_uses.values())
    return max(counts) > _MAX_COUNT


def _estimate(shape: RequestShape, ending: Ending, metered: Metered) -> Usage:
    """What was used, as far as sizes and counts that were still growing tell."""
    output = metered.output_events
    if not shape.stream:
        output = ending.answer_bytes // BYTES_PER_TOKEN
    if shape.output_limit is not None:
        output = min(output, shape.output_limit)
    so_far = metered.usage
    if so_far is not None and not metered.estimable:
        return so_far
    if so_far is None:
        return Usage(shape.input_bound // BYTES_PER_TOKEN, output)
    return msgspec.structs.replace(so_far, output_tokens=max(output, so_far.output_tokens or 0))


def _asked_tier(shape: RequestShape | None) -> str | None:
    """The tier's name as it was asked for; what is no name is not kept."""
    asked = shape.service_tier if shape is not None else None
    return asked if asked and _TIER_NAME.fullmatch(asked) else None


def _clean(name: str) -> str:
    """A name that PostgreSQL can hold, whatever an answer or a request says."""
    return name.replace("\0", "")[:MAX_NAME]
