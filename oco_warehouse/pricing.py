"""What a model call costs: a pure function of a price and a usage, with its honesty.

Belongs here: price rows, token usage in the platform's own terms, and the arithmetic. Does not
belong here: where prices come from (the `model_pricing` asset), what a provider calls its fields
(`oco_proxy.proxy`), or any I/O. Every amount is an exact `Decimal` of US dollars; an unknown price
makes the cost None and `unpriced`, never 0.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal, NamedTuple

import msgspec

from oco_warehouse.money import NANO_PER_DOLLAR

CostStatus = Literal["exact", "partial", "estimated", "unpriced"]

STANDARD_TIER: Final = "standard"
# What providers call the tier that a request gets when it asks for none.
_STANDARD_NAMES: Final = frozenset({"", "auto", "default", "standard"})
_SNAPSHOT_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
# Token counts times prices with any number of decimals: no step may round.
_EXACT: Final = Context(prec=80)
_MILLION: Final = 6
_PER_MILLION: Final = 10**_MILLION
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Parts are always inside their whole, whatever the provider's habit.

    Attributes:
        input_tokens: the whole prompt, cache reads and writes included; None when unknown.
        output_tokens: the whole answer, reasoning included; None when unknown.
        cached_input_tokens: part of the input that was read from a cache.
        cache_write_tokens: part of the input that was written to a cache, all lifetimes.
        cache_write_1h_tokens: part of `cache_write_tokens` that is kept for an hour.
        reasoning_tokens: part of the output.
        audio_input_tokens: part of the input.
        audio_output_tokens: part of the output.
        tool_uses: uses of tools that are billed by use, by the name in `model_pricing`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    tool_uses: Mapping[str, int] = field(default_factory=dict)


class Dearest(NamedTuple):
    """Largest charges as whole numbers of one unit, so that admission computes with integers.

    Attributes:
        input: of one token, as all of them in units.
        units_per_nano: how many units a nano-dollar has.
    """

    input: int
    output: int
    tool_use: int
    request: int
    units_per_nano: int


@dataclass(frozen=True)
class Price:
    """One row of `oco.model_pricing`: US dollars per million tokens unless said otherwise."""

    provider: str
    model: str
    input: Decimal | None
    output: Decimal | None
    price_version: str
    service_tier: str = STANDARD_TIER
    min_context_tokens: int = 0
    effective_from: datetime | None = None  # None: always
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    per_request: Decimal = Decimal(0)
    tool_prices: Mapping[str, Decimal] = field(default_factory=dict)
    max_output_tokens: int | None = None

    @cached_property
    def dearest(self) -> "Dearest | None":
        """The most that each token, tool use and request can cost; None when that is not known."""
        if self.input is None or self.output is None:
            return None
        # Cached input is left out: it is never dearer than plain input.
        ways_in = (self.input, self.cache_write, self.cache_write_1h, self.audio_input)
        ways_out = (self.output, self.reasoning, self.audio_output)
        exact = (
            Fraction(max(way for way in ways_in if way is not None)) / _PER_MILLION,
            Fraction(max(way for way in ways_out if way is not None)) / _PER_MILLION,
            Fraction(max(self.tool_prices.values(), default=_ZERO)),
            Fraction(self.per_request),
        )
        nano = [charge * NANO_PER_DOLLAR for charge in exact]
        units = math.lcm(*(charge.denominator for charge in nano))
        token_in, token_out, tool_use, request = (int(charge * units) for charge in nano)
        return Dearest(token_in, token_out, tool_use, request, units)

    @property
    def is_free(self) -> bool:
        """True when the price is known and nothing is charged."""
        if self.input is None or self.output is None:
            return False
        parts = (
            self.input,
            self.output,
            self.cached_input,
            self.cache_write,
            self.cache_write_1h,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.per_request,
            *self.tool_prices.values(),
        )
        return not any(parts)


@dataclass(frozen=True, slots=True)
class PriceTiers:
    """The price of a model at a moment: one `Price` per context tier, smallest tier first.

    Attributes:
        tiers: never empty.
        tier_known: False when the service tier that was asked for has no price of its own, so that
            the standard one stands in and the cost is an estimate.
    """

    tiers: tuple[Price, ...]
    tier_known: bool = True

    def at(self, input_tokens: int) -> Price:
        """The tier that a whole prompt of so many tokens falls into; "above N" is strict."""
        chosen = self.tiers[0]
        for price in self.tiers:
            if input_tokens > price.min_context_tokens:
                chosen = price
        return chosen

    @property
    def is_free(self) -> bool:
        """True when no tier charges anything."""
        return all(price.is_free for price in self.tiers)

    @property
    def max_output_tokens(self) -> int | None:
        """Largest answer of the model, where known."""
        known = [price.max_output_tokens for price in self.tiers if price.max_output_tokens]
        return max(known, default=None)


class Cost(msgspec.Struct, frozen=True):
    """What a call cost in US dollars; all three amounts are None exactly when it is unpriced."""

    cost_usd: Decimal | None
    input_cost_usd: Decimal | None
    output_cost_usd: Decimal | None
    status: CostStatus
    price_version: str | None = None


NOTHING: Final = Cost(Decimal(0), Decimal(0), Decimal(0), "exact")
UNPRICED: Final = Cost(None, None, None, "unpriced")


def normalise_tier(service_tier: str | None) -> str:
    """The name of a service tier in `model_pricing`."""
    name = (service_tier or "").lower()
    return STANDARD_TIER if name in _STANDARD_NAMES else name


def _first(*prices: Decimal | None) -> Decimal | None:
    for price in prices:
        if price is not None:
            return price
    return None


def _charge(parts: Iterable[tuple[int, Decimal | None]]) -> Decimal | None:
    total = _ZERO
    for tokens, price in parts:
        if tokens == 0:
            continue
        if price is None:
            return None
        total = _EXACT.add(total, _EXACT.multiply(tokens, price))
    return total.scaleb(-_MILLION, _EXACT)


def price_usage(prices: PriceTiers | None, usage: Usage, status: CostStatus = "exact") -> Cost:
    """Price a usage.

    Args:
        prices: price of the model that served, or None when it is not known.
        usage: what was used; unknown counts make the cost unknown.
        status: how far the usage itself can be trusted (`exact`, `partial` or `estimated`).

    Returns:
        The cost; `unpriced` with None amounts when a price or a count is missing. Where a service
        tier or a tool has no price of its own, the cost is at best `estimated`.
    """
    if prices is None or usage.input_tokens is None or usage.output_tokens is None:
        return UNPRICED
    price = prices.at(usage.input_tokens)
    long_writes = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    plain_input = max(
        0,
        usage.input_tokens
        - usage.cached_input_tokens
        - usage.cache_write_tokens
        - usage.audio_input_tokens,
    )
    plain_output = max(0, usage.output_tokens - usage.reasoning_tokens - usage.audio_output_tokens)
    input_cost = _charge(
        (
            (plain_input, price.input),
            (usage.cached_input_tokens, _first(price.cached_input, price.input)),
            (usage.cache_write_tokens - long_writes, _first(price.cache_write, price.input)),
            (long_writes, _first(price.cache_write_1h, price.cache_write, price.input)),
            (usage.audio_input_tokens, _first(price.audio_input, price.input)),
        )
    )
    output_cost = _charge(
        (
            (plain_output, price.output),
            (usage.reasoning_tokens, _first(price.reasoning, price.output)),
            (usage.audio_output_tokens, _first(price.audio_output, price.output)),
        )
    )
    if input_cost is None or output_cost is None:
        return UNPRICED
    output_cost = _EXACT.add(output_cost, price.per_request)
    whole = prices.tier_known
    for tool, uses in usage.tool_uses.items():
        if uses and tool not in price.tool_prices:
            whole = False
            continue
        charged = _EXACT.multiply(uses, price.tool_prices.get(tool, _ZERO))
        output_cost = _EXACT.add(output_cost, charged)
    if status == "exact" and not whole:
        status = "estimated"
    total = _EXACT.add(input_cost, output_cost)
    return Cost(total, input_cost, output_cost, status, price.price_version)


def worst_case(
    prices: PriceTiers, input_tokens: int, output_tokens: int, tool_uses: int = 0
) -> int | None:
    """The most that a call of at most so many tokens can cost; None when unknown.

    Every context tier up to the prompt's bound is considered, and every way in which a token can be
    charged, because a cache write costs more than a plain token. Uses of tools count as the dearest
    tool of the model.

    Returns:
        Nano-dollars, rounded up.
    """
    worst: int | None = None
    for price in prices.tiers:
        if price.min_context_tokens and input_tokens <= price.min_context_tokens:
            continue
        dearest = price.dearest
        if dearest is None:
            return None
        amount = (
            input_tokens * dearest.input
            + output_tokens * dearest.output
            + tool_uses * dearest.tool_use
            + dearest.request
        )
        nano = -(-amount // dearest.units_per_nano)
        worst = nano if worst is None else max(worst, nano)
    return worst


class PriceTable:
    """Prices of all models with their history, looked up in memory."""

    def __init__(self, prices: Iterable[Price]) -> None:
        grouped: dict[tuple[str, str, str], dict[datetime | None, list[Price]]] = {}
        for price in prices:
            key = (price.provider, price.model, normalise_tier(price.service_tier))
            grouped.setdefault(key, {}).setdefault(price.effective_from, []).append(price)
        self._prices = {key: _newest_first(history) for key, history in grouped.items()}
        self._of_model: dict[tuple[str, str], list[_History]] = {}
        for (provider, model, _), history in self._prices.items():
            self._of_model.setdefault((provider, model), []).append(history)

    def __len__(self) -> int:
        return len(self._prices)

    def find(
        self, provider: str, models: Sequence[str], at: datetime, service_tier: str | None = None
    ) -> PriceTiers | None:
        """The price that held at a moment for the first of several names of a model.

        Args:
            provider: as in `model_pricing.provider`.
            models: names to try in order, as (served, asked for). A dated snapshot whose own name
                has no price takes that of its family.
            at: aware moment of the call.
            service_tier: what the provider says it served.

        Returns:
            The tiers, or None when no name has a price that held then.
        """
        name = self._known_name(provider, models)
        if name is None:
            return None
        tier = normalise_tier(service_tier)
        found = _at(self._prices.get((provider, name, tier), ()), at)
        if found is None and tier != STANDARD_TIER:
            standard = _at(self._prices.get((provider, name, STANDARD_TIER), ()), at)
            return None if standard is None else replace(standard, tier_known=False)
        return found

    def _known_name(self, provider: str, models: Sequence[str]) -> str | None:
        for name in models:
            if (provider, name) in self._of_model:
                return name
        for name in models:
            family = _SNAPSHOT_DATE.sub("", name)
            if (provider, family) in self._of_model:
                return family
        return None

    def possible(
        self, provider: str, model: str, at: datetime, service_tier: str | None = None
    ) -> list[PriceTiers]:
        """The prices of every service tier that may serve a call.

        A provider chooses the tier itself where a call leaves it open, as its project is set up.
        """
        asked = self.find(provider, (model,), at, service_tier)
        if asked is None:
            return []
        name = asked.tiers[0].model
        if (service_tier or "auto").lower() != "auto":
            return [asked]
        others = (_at(history, at) for history in self._of_model[provider, name])
        return [asked, *(tiers for tiers in others if tiers is not None)]


_History = tuple[tuple[datetime | None, PriceTiers], ...]


def _newest_first(history: Mapping[datetime | None, list[Price]]) -> _History:
    dated = sorted((start for start in history if start is not None), reverse=True)
    order: list[datetime | None] = [*dated, *([None] if None in history else [])]
    return tuple(
        (start, PriceTiers(tuple(sorted(history[start], key=lambda p: p.min_context_tokens))))
        for start in order
    )


def _at(history: _History, at: datetime) -> PriceTiers | None:
    for start, tiers in history:
        if start is None or start <= at:
            return tiers
    return None
