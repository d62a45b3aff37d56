"""Whether one price is never above another, whatever is used. Pure."""

from decimal import Decimal

from oco_warehouse.pricing import Price, PriceTiers


def never_dearer(one: PriceTiers, other: PriceTiers) -> bool:
    """True when no usage at all costs more at the first price than at the second.

    Every part of a price is compared in every context tier: a usage is charged by parts, so that
    no mix of tokens can turn the comparison round.
    """
    return all(_below(one.at(size), other.at(size)) for size in _sizes(one, other))


def covers_cached(one: PriceTiers, other: PriceTiers) -> bool:
    """True when plain and cache-written input at the first costs no more than cached at the second.

    Caches belong to a model: what the second would have read from its own, the first reads anew.
    """
    for size in _sizes(one, other):
        price, original = one.at(size), other.at(size)
        cached = original.input if original.cached_input is None else original.cached_input
        parts = (price.input, price.cache_write, price.cache_write_1h)
        if cached is None or any(part is not None and part > cached for part in parts):
            return False
    return True


def _sizes(one: PriceTiers, other: PriceTiers) -> set[int]:
    """A prompt size in every stretch on which both prices stay the same."""
    bounds = {price.min_context_tokens for tiers in (one, other) for price in tiers.tiers}
    return {0, *(bound + 1 for bound in bounds)}


def _below(price: Price, original: Price) -> bool:
    if price.per_request > original.per_request:
        return False
    parts, others = _parts(price), _parts(original)
    if parts is None or others is None:
        return False
    if any(part > other for part, other in zip(parts, others, strict=True)):
        return False
    return all(
        amount <= original.tool_prices.get(tool, Decimal(0))
        for tool, amount in price.tool_prices.items()
    )


def _parts(price: Price) -> tuple[Decimal, ...] | None:
    """What each kind of token costs, by the same fallbacks as `price_usage`."""
    if price.input is None or price.output is None:
        return None

    def or_else(part: Decimal | None, plain: Decimal) -> Decimal:
        return plain if part is None else part

    written = or_else(price.cache_write, price.input)
    return (
        price.input,
        or_else(price.cached_input, price.input),
        written,
        or_else(price.cache_write_1h, written),
        or_else(price.audio_input, price.input),
        price.output,
        or_else(price.reasoning, price.output),
        or_else(price.audio_output, price.output),
    )
