"""What a model call costs: a pure function of a price and a usage, with its honesty.

Belongs here: price rows, token usage in the platform's own terms, and the arithmetic. Does not
belong here: where prices come from (the `model_pricing` asset), what a provider calls its fields
(`oco_proxy.proxy`), or any I/O. Every amount is an exact `Decimal` of US dollars; an unknown price
makes the cost None and `unpriced`, never 0.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction
from functools import cached_property
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from oco_warehouse.money import NANO_PER_DOLLAR

CostStatus = Literal["exact", "partial", "estimated", "unpriced"]

STANDARD_TIER: Final = "standard"
# What providers call the tier that a request gets when it asks for none.
_STANDARD_NAMES: Final = frozenset({"", "auto", "default", "standard"})
_SNAPSHOT_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
# Older snapshots have a month and a day only.
_SNAPSHOT: Final = re.compile(
    rf"{_SNAPSHOT_DATE.pattern}|-(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$"
)
_LATEST: Final = "-latest"
# Token counts times prices with any number of decimals: no step may round.
_EXACT: Final = Context(prec=80)
_MILLION: Final = 6
_PER_MILLION: Final = 10**_MILLION
_ZERO: Final = Decimal(0)
# Media that may cost other than the tokens they are among, by their names in `media_prices`: the
# part of a usage that they are inside, and whose price they have where they have none.
MEDIA: Final[Mapping[str, str]] = {
    "cached_audio_input": "cached_input",
    "cached_image_input": "cached_input",
    "image_input": "input",
    "image_output": "output",
    "video_input": "input",
    "video_output": "output",
}
# Tiers that only a request that names them gets; no project's settings lead there.
_ONLY_BY_NAME: Final = frozenset({"fast"})


class Usage(msgspec.Struct, frozen=True):
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
        media: tokens of media, by the names of `MEDIA`; those of one whole are beside each other.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    tool_uses: dict[str, int] = {}
    media: dict[str, int] = {}


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
    per_request: Decimal | None = None
    tool_prices: Mapping[str, Decimal] = field(default_factory=dict)
    max_output_tokens: int | None = None
    media_prices: Mapping[str, Decimal] = field(default_factory=dict)
    lent: bool = False  # some of it is another service tier's
    stated: bool = field(default=False, compare=False)  # by a person, at least in part

    @property
    def fee(self) -> Decimal:
        """USD for every request; nothing where nothing is known of one."""
        return _ZERO if self.per_request is None else self.per_request

    def media_price(self, name: str) -> Decimal | None:
        """What tokens of a medium cost: their own price, else that of what they are among."""
        own = self.media_prices.get(name)
        if own is not None:
            return own
        whole = MEDIA[name]
        if whole == "cached_input":
            # Read from a cache that costs nothing less, a sound costs what any sound costs.
            anew = self.audio_input if "audio" in name else self.media_prices.get("image_input")
            return _first(self.cached_input, anew, self.input)
        return self.input if whole == "input" else self.output

    @cached_property
    def dearest(self) -> "Dearest | None":
        """The most that each token, tool use and request can cost; None when that is not known."""
        if self.input is None or self.output is None:
            return None
        # A stated price may leave the catalogue's for cached input above its own.
        ways_in = (
            self.input,
            self.cached_input,
            self.cache_write,
            self.cache_write_1h,
            self.audio_input,
            *(price for name, price in self.media_prices.items() if MEDIA.get(name) != "output"),
        )
        ways_out = (
            self.output,
            self.reasoning,
            self.audio_output,
            *(price for name, price in self.media_prices.items() if MEDIA.get(name) == "output"),
        )
        exact = (
            Fraction(max(way for way in ways_in if way is not None)) / _PER_MILLION,
            Fraction(max(way for way in ways_out if way is not None)) / _PER_MILLION,
            Fraction(max(self.tool_prices.values(), default=_ZERO)),
            Fraction(self.fee),
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
            *self.media_prices.values(),
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
    def is_stated(self) -> bool:
        """True when a person stated the price of a tier."""
        return any(price.stated for price in self.tiers)

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


def family_of(model: str) -> str:
    """The name without its date or `-latest`: what a provider answers a call to it as, or for."""
    return _SNAPSHOT.sub("", model.removesuffix(_LATEST))


def _first(*prices: Decimal | None) -> Decimal | None:
    for price in prices:
        if price is not None:
            return price
    return None


_Part = tuple[int, Decimal | None]


def _charge(whole: int, price: Decimal | None, parts: Iterable[_Part]) -> Decimal | None:
    """What so many tokens cost: its parts at their own prices, what is left at the plain one."""
    total = _ZERO
    left = whole
    for tokens, own in parts:
        if tokens:
            if own is None:
                return None
            left -= tokens
            total = _EXACT.add(total, _EXACT.multiply(tokens, own))
    if left > 0:
        if price is None:
            return None
        total = _EXACT.add(total, _EXACT.multiply(left, price))
    return total.scaleb(-_MILLION, _EXACT)


def _media_of(price: Price, usage: Usage, whole: str) -> list[_Part]:
    """Tokens and price of each medium inside a whole."""
    return [
        (tokens, price.media_price(name))
        for name, tokens in usage.media.items()
        if MEDIA[name] == whole
    ]


def _input_parts(price: Price, usage: Usage) -> list[_Part]:
    """What of the input has a price of its own; nothing for most calls."""
    parts: list[_Part] = []
    cached = usage.cached_input_tokens
    if usage.media:
        cached_media = _media_of(price, usage, "cached_input")
        cached -= sum(tokens for tokens, _ in cached_media)
        parts += [*cached_media, *_media_of(price, usage, "input")]
    if cached > 0:
        parts.append((cached, _first(price.cached_input, price.input)))
    if usage.cache_write_tokens:
        long = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
        short = _first(price.cache_write, price.input)
        parts.append((usage.cache_write_tokens - long, short))
        parts.append((long, _first(price.cache_write_1h, short)))
    if usage.audio_input_tokens:
        parts.append((usage.audio_input_tokens, _first(price.audio_input, price.input)))
    return parts


def _output_parts(price: Price, usage: Usage) -> list[_Part]:
    """What of the output has a price of its own; nothing for most calls."""
    parts = _media_of(price, usage, "output") if usage.media else []
    if usage.reasoning_tokens:
        parts.append((usage.reasoning_tokens, _first(price.reasoning, price.output)))
    if usage.audio_output_tokens:
        parts.append((usage.audio_output_tokens, _first(price.audio_output, price.output)))
    return parts


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
    input_cost = _charge(usage.input_tokens, price.input, _input_parts(price, usage))
    output_cost = _charge(usage.output_tokens, price.output, _output_parts(price, usage))
    if input_cost is None or output_cost is None:
        return UNPRICED
    output_cost = _EXACT.add(output_cost, price.fee)
    # Where short writes cost more than input, long ones cost still more, and how much is not known.
    whole = (
        prices.tier_known
        and not price.lent
        and not (
            usage.cache_write_tokens
            and usage.cache_write_1h_tokens
            and price.cache_write is not None
            and price.cache_write_1h is None
        )
    )
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


def unpriced_tool(prices: PriceTiers, tools: AbstractSet[str]) -> str | None:
    """The first of some tools that has no price by use in one of the tiers; None when all have."""
    return min(
        (tool for price in prices.tiers for tool in tools - price.tool_prices.keys()), default=None
    )


def worst_case(
    prices: PriceTiers,
    input_tokens: int,
    output_tokens: int,
    tool_uses: int = 0,
    tools: AbstractSet[str] = frozenset(),
) -> int | None:
    """The most that a call of at most so many tokens can cost; None when unknown.

    Every context tier up to the prompt's bound is considered, and every way in which a token can be
    charged, because a cache write costs more than a plain token. Uses of tools count as the dearest
    tool of the model; a tool that may run and has no price makes the whole unknown.

    Returns:
        Nano-dollars, rounded up.
    """
    if tools and unpriced_tool(prices, tools) is not None:
        return None
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
        self._of_model: dict[tuple[str, str], dict[str, _History]] = {}
        for (provider, model, tier), history in self._prices.items():
            self._of_model.setdefault((provider, model), {})[tier] = history
        families: dict[tuple[str, str], list[str]] = {}
        for provider, model in self._of_model:
            families.setdefault((provider, family_of(model)), []).append(model)
        self._members = {
            (provider, family): self._different(provider, names)
            for (provider, family), names in families.items()
            if len(names) > 1
        }

    def _different(self, provider: str, names: Iterable[str]) -> list[str]:
        """Those of some names that are not charged like one before: most snapshots are."""
        known: dict[str, dict[str, list[_Charges]]] = {}
        for name in names:
            tiers = self._of_model[provider, name]
            charges = {tier: _charges(history) for tier, history in tiers.items()}
            if charges not in known.values():
                known[name] = charges
        return list(known)

    def __len__(self) -> int:
        return len(self._prices)

    def find(
        self, provider: str, models: Sequence[str], at: datetime, service_tier: str | None = None
    ) -> PriceTiers | None:
        """The price that held at a moment for the first of several names of a model.

        Args:
            provider: as in `model_pricing.provider`.
            models: names to try in order, as (served, asked for). A dated snapshot whose own name
                has no price takes that of its family. Where the names are of one family, a price
                that was stated for a later one wins over what nobody stated for an earlier one.
            at: aware moment of the call.
            service_tier: what the provider says it served.

        Returns:
            The tiers, or None when no name has a price that held then.
        """
        name = self.known_name(provider, models)
        if name is None:
            return None
        found = self._held(provider, name, at, service_tier)
        if found is not None and not found.is_stated:
            for other in models:
                if other != name and family_of(other) == family_of(name):
                    stated = self._held(provider, other, at, service_tier)
                    if stated is not None and stated.is_stated:
                        return stated
        return found

    def _held(
        self, provider: str, name: str, at: datetime, service_tier: str | None
    ) -> PriceTiers | None:
        tier = normalise_tier(service_tier)
        found = _at(self._prices.get((provider, name, tier), ()), at)
        if found is None and tier != STANDARD_TIER:
            standard = _at(self._prices.get((provider, name, STANDARD_TIER), ()), at)
            return None if standard is None else replace(standard, tier_known=False)
        return found

    def known_name(self, provider: str, models: Sequence[str]) -> str | None:
        """The name that prices the first of several names that has one; None when none has.

        An answer that names a family only is of the snapshot that was asked for.
        """
        for name in models:
            if (provider, name) in self._of_model:
                return self._snapshot(provider, name, models) or name
        for name in models:
            family = _SNAPSHOT_DATE.sub("", name)
            if (provider, family) in self._of_model:
                return family
        return None

    def _snapshot(self, provider: str, family: str, models: Sequence[str]) -> str | None:
        for name in models:
            snapshot = _SNAPSHOT.sub("", name) == family and name != family
            if snapshot and (provider, name) in self._of_model:
                return name
        return None

    def possible(
        self, provider: str, model: str, at: datetime, service_tier: str | None = None
    ) -> list[PriceTiers]:
        """The prices of every snapshot and service tier that may serve a call.

        A provider chooses the snapshot itself where a call names the family, and the tier where a
        call leaves it open, as its project is set up; it may serve the standard tier where another
        was asked for.
        """
        asked = self.find(provider, (model,), at, service_tier)
        if asked is None:
            return []
        own = asked.tiers[0].model
        tiers = self._of_tiers(provider, own, at, service_tier)
        if not _SNAPSHOT.search(model):
            for name in self._members.get((provider, family_of(own)), ()):
                if name != own:
                    tiers += self._of_tiers(provider, name, at, service_tier)
        return tiers

    def _of_tiers(
        self, provider: str, name: str, at: datetime, service_tier: str | None
    ) -> list[PriceTiers]:
        """The prices of every service tier that may serve a call of one name."""
        asked = self._held(provider, name, at, service_tier)
        if asked is None:
            return []
        if (service_tier or "auto").lower() != "auto":
            standard = self._held(provider, name, at, None)
            return [asked] if standard is None or standard is asked else [asked, standard]
        others = (
            _at(history, at)
            for tier, history in self._of_model[provider, name].items()
            if tier not in _ONLY_BY_NAME
        )
        return [asked, *(tiers for tiers in others if tiers is not None)]


_Charges = tuple[datetime | None, list[object]]
_CHARGED: Final = attrgetter(
    *(part.name for part in fields(Price) if part.name not in {"model", "price_version", "stated"})
)
_History = tuple[tuple[datetime | None, PriceTiers], ...]


def _newest_first(history: Mapping[datetime | None, list[Price]]) -> _History:
    dated = sorted((start for start in history if start is not None), reverse=True)
    order: list[datetime | None] = [*dated, *([None] if None in history else [])]
    return tuple(
        (start, PriceTiers(tuple(sorted(history[start], key=lambda p: p.min_context_tokens))))
        for start in order
    )


def _charges(history: _History) -> list[_Charges]:
    """What is charged from when on, whatever the name."""
    return [(start, [_CHARGED(price) for price in tiers.tiers]) for start, tiers in history]


def _at(history: _History, at: datetime) -> PriceTiers | None:
    for start, tiers in history:
        if start is None or start <= at:
            return tiers
    return None
