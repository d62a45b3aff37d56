"""May a cheaper model answer this call? A pure function of shape, policy, catalogue and prices."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Final, Literal

from oco_proxy.router.catalogue import TIERS, ModelTier, Tier
from oco_proxy.router.features import Features
from oco_proxy.router.market import Market, Offer
from oco_proxy.router.policies import RoutingPolicy, Strategy
from oco_warehouse.pricing import PriceTiers

Effort = Literal["simple", "moderate", "complex"]

# Up to these a request is simple, or moderate; whatever exceeds one of them is the next.
SIMPLE_TOKENS: Final = 1_000
SIMPLE_TURNS: Final = 3
SIMPLE_OUTPUT: Final = 1_000
MODERATE_TOKENS: Final = 16_000
MODERATE_TURNS: Final = 20
MODERATE_OUTPUT: Final = 8_000
MODERATE_TOOLS: Final = 10
MODERATE_IMAGES: Final = 2
# What an answer is taken to have where only its limit is known, to compare prices.
EXPECTED_OUTPUT: Final = 500
_MILLIONTH: Final = Decimal("0.000001")

# The lowest tier that may answer; None: only a model that is at least as good as the original.
_FLOOR: Final[dict[Strategy, dict[Effort, Tier | None]]] = {
    "quality_first": {"simple": "standard", "moderate": None, "complex": None},
    "balanced": {"simple": "economy", "moderate": "standard", "complex": None},
    "cost_optimized": {"simple": "economy", "moderate": "economy", "complex": "standard"},
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router says.

    Attributes:
        original: what the request asks for.
        routed: the model to send it to instead; None keeps the original.
        reason: the effort that the shape speaks of, or why the original is kept.
        expected_saving: US dollars on the usage that is expected; None without a routed model.
        growth: tokens that the routed model makes of what is one token to the original.
    """

    original: str
    routed: str | None
    reason: str
    expected_saving: Decimal | None = None
    growth: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class _Candidate:
    offer: Offer
    saving: Decimal


def decide(
    features: Features,
    policy: RoutingPolicy,
    market: Market,
    at: datetime,
    avoid: frozenset[str] = frozenset(),
) -> Decision:
    """Choose the model that is to answer.

    A routed model is of the same provider, has every capability that the request needs, and costs
    no more than the original for any usage and less for the expected one.

    Args:
        features: the request's shape.
        policy: whose strategy and allowed models count; its mode is not looked at.
        market: models and prices; a model that it does not know is neither left nor chosen.
        at: aware moment of the call.
        avoid: models that are not to be chosen now.
    """

    def keep(reason: str) -> Decision:
        return Decision(features.model, None, reason)

    if features.pinned is not None:
        return keep(f"pinned:{features.pinned}")
    stall = market.stall(features.provider, features.model, features.service_tier, at)
    if isinstance(stall, str):
        return keep(stall)
    effort = effort_of(features)
    floor = _FLOOR[policy.strategy][effort]
    output = min(EXPECTED_OUTPUT, features.output_limit or EXPECTED_OUTPUT)
    before = _expected(stall.price, features.input_tokens, output)
    candidates = []
    for offer in stall.offers:
        model = offer.model
        if model.model in avoid or not _acceptable(model, stall.original, floor, policy):
            continue
        if not is_capable(model, features, stall.original.token_percent):
            continue
        if features.caches and not offer.covers_cached:
            continue
        grown = ceil(features.input_tokens * offer.growth)
        saving = before - _expected(offer.price, grown, ceil(output * offer.growth))
        if saving > 0:
            candidates.append(_Candidate(offer, saving))
    if not candidates:
        return keep("no_cheaper_model")
    chosen = max(candidates, key=lambda candidate: _rank(candidate, policy.strategy, floor))
    offer = chosen.offer
    return Decision(features.model, offer.model.model, effort, chosen.saving, offer.growth)


def effort_of(features: Features) -> Effort:
    """How hard a request looks, from sizes and counts alone."""
    output = features.output_limit or 0
    media = features.images + features.files + features.audio
    if (
        features.input_tokens <= SIMPLE_TOKENS
        and features.turns <= SIMPLE_TURNS
        and output <= SIMPLE_OUTPUT
        and not features.tools
        and not media
        and not features.reasoning
    ):
        return "simple"
    if (
        features.input_tokens <= MODERATE_TOKENS
        and features.turns <= MODERATE_TURNS
        and output <= MODERATE_OUTPUT
        and features.tools <= MODERATE_TOOLS
        and media <= MODERATE_IMAGES
    ):
        return "moderate"
    return "complex"


def is_capable(model: ModelTier, features: Features, token_percent: int = 100) -> bool:
    """True when a model can answer a request of this shape, in the worst case of its size.

    Args:
        model: the one to judge.
        features: the request's shape.
        token_percent: of the model that the shape's sizes are for.
    """
    output = features.output_limit or 0
    bound = features.input_bound * max(1, model.token_percent / token_percent)
    return (
        bound + max(output, EXPECTED_OUTPUT) <= model.context_tokens
        and output <= model.max_output_tokens
        and (model.tools or not features.tools)
        and (model.images or not features.images)
        and (model.files or not features.files)
        and (model.audio or not features.audio)
        and (model.json_output or not features.json_output)
        and (model.reasoning or not features.reasoning)
        and (model.sampling or not features.sampling)
    )


def _acceptable(
    model: ModelTier, original: ModelTier, floor: Tier | None, policy: RoutingPolicy
) -> bool:
    if model.thinking > original.thinking:
        return False  # reasoning that nobody asked for would be billed as output
    if policy.allowed_models is not None and model.model not in policy.allowed_models:
        return False
    if model.quality >= original.quality:
        return True
    rank = TIERS.index(model.tier)
    if policy.strategy == "balanced" and rank >= TIERS.index(original.tier):
        return False  # worse, and of the same kind: that is no balance
    return floor is not None and rank >= TIERS.index(floor)


def _expected(prices: PriceTiers, input_tokens: int, output_tokens: int) -> Decimal:
    """US dollars for plain tokens; the market has no offers whose price has a part unknown."""
    price = prices.at(input_tokens)
    millions = (price.input or 0) * input_tokens + (price.output or 0) * output_tokens
    return millions * _MILLIONTH + price.fee


def _rank(
    candidate: _Candidate, strategy: Strategy, floor: Tier | None
) -> tuple[int | Decimal, int | Decimal, int | Decimal]:
    """Larger is better: quality for one, the lowest tier that will do, or money."""
    quality, saving = candidate.offer.model.quality, candidate.saving
    if strategy == "cost_optimized":
        return (saving, quality, 0)
    if strategy == "balanced" and floor is not None:
        return (-TIERS.index(candidate.offer.model.tier), quality, saving)
    return (quality, saving, 0)
