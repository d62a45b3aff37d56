"""Whether one price is never above another, whatever is used. Pure."""

from decimal import Decimal
from math import ceil
from typing import Final

from oco_warehouse.pricing import MEDIA, Price, PriceTiers

_SAME: Final = Decimal(1)


def never_dearer(one: PriceTiers, other: PriceTiers, growth: Decimal = _SAME) -> bool:
    """True when no usage at all costs more at the first price than at the second.

    Every part of a price is compared in every context tier: a usage is charged by parts, so that
    no mix of tokens can turn the comparison round.

    Args:
        one: the price that is to be the lower one.
        other: the price that it is compared with.
        growth: tokens that the first model makes of what is one token to the second.
    """
    return all(
        _below(one.at(ceil(size * growth)), other.at(size), growth)
        for size in _sizes(one, other, growth)
    )


def covers_cached(one: PriceTiers, other: PriceTiers, growth: Decimal = _SAME) -> bool:
    """True when plain and cache-written input at the first costs no more than cached at the second.

    Caches belong to a model: what the second would have read from its own, the first reads anew.
    """
    for size in _sizes(one, other, growth):
        price, original = one.at(ceil(size * growth)), other.at(size)
        cached = original.input if original.cached_input is None else original.cached_input
        parts = (price.input, price.cache_write, price.cache_write_1h)
        if cached is None or any(part is not None and part * growth > cached for part in parts):
            return False
    return True


def _sizes(one: PriceTiers, other: PriceTiers, growth: Decimal) -> set[int]:
    """A prompt in every stretch on which both prices stay the same, in the second's tokens."""
    bounds = {price.min_context_tokens for price in other.tiers}
    bounds |= {int(price.min_context_tokens / growth) for price in one.tiers}
    return {0, *(bound + 1 for bound in bounds)}


def _below(price: Price, original: Price, growth: Decimal) -> bool:
    if price.fee > original.fee:
        return False
    parts, others = _parts(price), _parts(original)
    if parts is None or others is None:
        return False
    if any(part * growth > other for part, other in zip(parts, others, strict=True)):
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
        *(or_else(price.media_price(name), price.input) for name in MEDIA),
    )
