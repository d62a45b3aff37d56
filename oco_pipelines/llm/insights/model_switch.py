"""Rule: a model whose real traffic would have cost less with another one that can do the same.

Both models are priced at today's prices over the tokens of the last 30 days, context tiers, cached
input and cache writes included; where one of them makes other tokens of the same text, the counts
are scaled. Another model of the same provider is preferred: caches work there as they do now. Only
when there is none, other providers' models of the same tier are looked at: nothing is taken to come
from their caches, and no text to take fewer tokens there.

A candidate must take what the model takes (tools, images, files, audio, JSON output), must not
think by default more than it does, must hold its longest prompt and answer, and be at least as good
by `oco.model_tiers`, or of the same tier and little below; its ranks hold inside a provider only.
Words are never looked at: whether its answers are good enough only a trial tells, which is why no
switch is sure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Final

from oco_pipelines.llm.insights.finding import CENT, percent, text_of
from oco_pipelines.optimizer.recommendation import Recommendation, Resource
from oco_warehouse.money import exact_product, exact_sum, format_usd
from oco_warehouse.pricing import PriceTable, PriceTiers, Usage, price_usage

RULE: Final = "model_switch"
RESOURCE_TYPE: Final = "llm.model"
WINDOW: Final = timedelta(days=30)
DAYS_A_MONTH: Final = 30
FULL_EVIDENCE_DAYS: Final = 14
LEAST_MONTHLY_USD: Final = Decimal(1)
LEAST_SHARE: Final = Decimal("0.1")
# How far below in quality a model of the same tier may be, as a share.
SLIGHTLY_BELOW: Final = Decimal("0.85")
_AS_GOOD: Final = Decimal("0.8")
_SLIGHTLY_WORSE: Final = Decimal("0.5")
_OTHER_PROVIDER: Final = Decimal("0.3")
_NO_SAMPLING: Final = Decimal("0.9")
_TAKES: Final = ("tools", "images", "files", "audio", "json_output")


@dataclass(frozen=True, slots=True)
class Capability:
    """A row of `oco.model_tiers`; the column comments there say what each field means."""

    provider: str
    model: str
    tier: str
    quality: int
    context_tokens: int
    max_output_tokens: int
    tools: bool
    images: bool
    files: bool
    audio: bool
    json_output: bool
    sampling: bool
    thinking: int
    token_percent: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls of one model, service tier and stretch of prompt sizes, whose cost is known.

    Attributes:
        longest_input: tokens of the longest prompt.
        longest_output: tokens of the longest answer.
        cost_usd: what the calls really cost.
    """

    provider: str
    model: str
    service_tier: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    longest_input: int
    longest_output: int
    cost_usd: Decimal
    first_at: datetime


@dataclass(frozen=True, slots=True)
class _Switch:
    candidate: Capability
    now_usd: Decimal
    then_usd: Decimal
    confidence: Decimal

    @property
    def saved_usd(self) -> Decimal:
        return self.now_usd - self.then_usd


def model_switch(
    traffic: Sequence[Traffic], models: Iterable[Capability], prices: PriceTable, now: datetime
) -> Recommendation | None:
    """Judge the traffic of one model.

    Args:
        traffic: all of the model's rows in the window.
        models: what every model can do.
        prices: all prices.
        now: aware end of the window.

    Returns:
        The switch that saves most by its confidence, or None when none saves a dollar a month and
        a tenth, or the model or its price is not known.
    """
    if not traffic:
        return None
    provider, name = traffic[0].provider, traffic[0].model
    known = {(model.provider, model.model): model for model in models}
    current = known.get((provider, name))
    if current is None:
        return None
    now_usd = traffic_cost(traffic, current, current, prices, now)
    if now_usd is None:
        return None
    days = min(Decimal(WINDOW.days), _days(now - min(row.first_at for row in traffic)))
    evidence = min(Decimal(1), days / FULL_EVIDENCE_DAYS)
    possible = [
        _Switch(candidate, now_usd, then_usd, confidence * evidence)
        for candidate in known.values()
        if candidate is not current
        and (confidence := suits(current, candidate, traffic)) is not None
        and (then_usd := traffic_cost(traffic, current, candidate, prices, now)) is not None
    ]
    worth = [
        switch
        for switch in possible
        if switch.saved_usd / days * DAYS_A_MONTH >= LEAST_MONTHLY_USD
        and switch.saved_usd >= now_usd * LEAST_SHARE
    ]
    own = [switch for switch in worth if switch.candidate.provider == provider]
    best = max(
        own or worth,
        key=lambda switch: (switch.saved_usd * switch.confidence, switch.candidate.model),
        default=None,
    )
    return None if best is None else _recommendation(current, best, traffic, days)


def suits(current: Capability, candidate: Capability, traffic: Sequence[Traffic]) -> Decimal | None:
    """How surely a model can stand in for another, from 0 to 1; None when it cannot."""
    growth = _growth(current, candidate)
    longest_input = ceil(max(row.longest_input for row in traffic) * growth)
    longest_output = ceil(max(row.longest_output for row in traffic) * growth)
    if (
        not candidate.enabled
        or any(getattr(current, what) and not getattr(candidate, what) for what in _TAKES)
        or candidate.thinking > current.thinking
        or longest_output > candidate.max_output_tokens
        or longest_input + longest_output > candidate.context_tokens
    ):
        return None
    if candidate.provider != current.provider:
        confidence = _OTHER_PROVIDER if candidate.tier == current.tier else None
    elif candidate.quality >= current.quality:
        confidence = _AS_GOOD
    elif candidate.tier == current.tier and candidate.quality >= current.quality * SLIGHTLY_BELOW:
        confidence = _SLIGHTLY_WORSE
    else:
        confidence = None
    if confidence is None:
        return None
    return confidence * _NO_SAMPLING if current.sampling and not candidate.sampling else confidence


def traffic_cost(
    traffic: Iterable[Traffic],
    current: Capability,
    candidate: Capability,
    prices: PriceTable,
    now: datetime,
) -> Decimal | None:
    """What traffic of one model costs with another at today's prices, in USD; None when unknown."""
    costs = []
    for row in traffic:
        found = prices.find(candidate.provider, (candidate.model,), now, row.service_tier)
        if found is None or not found.tier_known:
            return None
        usage = _usage(row, current, candidate)
        mean = (usage.input_tokens or 0) // row.requests
        price = found.at(mean)
        cost = price_usage(PriceTiers((price,)), usage).cost_usd
        if cost is None:
            return None
        # The sum of a row is priced as one call: the others' fixed price comes on top.
        costs.append(cost + exact_product(price.fee, Decimal(row.requests - 1)))
    return exact_sum(costs)


def _growth(current: Capability, candidate: Capability) -> Decimal:
    """Tokens that the candidate makes of what is one token now."""
    growth = Decimal(candidate.token_percent) / current.token_percent
    # Percentages of two providers have not the same hundred.
    return growth if candidate.provider == current.provider else max(Decimal(1), growth)


def _usage(row: Traffic, current: Capability, candidate: Capability) -> Usage:
    growth = _growth(current, candidate)

    def scaled(tokens: int) -> int:
        return ceil(tokens * growth)

    caches = candidate.provider == current.provider
    return Usage(
        input_tokens=scaled(row.input_tokens),
        output_tokens=scaled(row.output_tokens),
        cached_input_tokens=scaled(row.cached_input_tokens) if caches else 0,
        cache_write_tokens=scaled(row.cache_write_tokens) if caches else 0,
        reasoning_tokens=scaled(row.reasoning_tokens),
    )


def _recommendation(
    current: Capability, best: _Switch, traffic: Sequence[Traffic], days: Decimal
) -> Recommendation:
    other = best.candidate
    monthly = (best.saved_usd / days * DAYS_A_MONTH).quantize(CENT)
    share = percent(best.saved_usd, best.now_usd)
    to = other.model if other.provider == current.provider else f"{other.provider}/{other.model}"
    totals: Mapping[str, int] = {
        name: sum(getattr(row, name) for row in traffic)
        for name in ("requests", "input_tokens", "output_tokens", "cached_input_tokens")
    }
    return Recommendation(
        resource=Resource(current.provider, "", current.model, RESOURCE_TYPE),
        recommendation_type=RULE,
        title=f"Use {to} instead of {current.model}",
        description=(
            f"The {totals['requests']} calls of {current.model} in {days:.0f} days would have cost "
            f"{format_usd(best.then_usd)} instead of {format_usd(best.now_usd)} with {to} "
            f"({share} less, caches taken into account). Try it on a part of the traffic first: "
            "whether its answers are good enough only a trial tells."
        ),
        estimated_monthly_savings=monthly,
        confidence=best.confidence.quantize(CENT),
        evidence={
            "to_provider": other.provider,
            "to_model": other.model,
            "days": str(days.quantize(CENT)),
            "now_usd": text_of(best.now_usd),
            "then_usd": text_of(best.then_usd),
            "billed_usd": text_of(exact_sum(row.cost_usd for row in traffic)),
            "tier": f"{current.tier} to {other.tier}",
            **totals,
        },
    )


def _days(length: timedelta) -> Decimal:
    return max(Decimal(1), Decimal(length // timedelta(seconds=1)) / 86_400)
