"""Which models are never dearer than another, remembered while prices cannot have changed much."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from oco_proxy.router.catalogue import Catalogue, ModelTier
from oco_proxy.router.dominance import covers_cached, never_dearer
from oco_warehouse.pricing import PriceTable, PriceTiers

# A price that begins to hold is seen at the latest when the window after it begins.
WINDOW: Final = timedelta(seconds=2)
# Names come from requests: more of them than this are forgotten together.
MAX_REMEMBERED: Final = 2_000
MAX_NAME: Final = 200
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that costs no more than the original, whatever is used.

    Attributes:
        growth: tokens that it makes of what is one token to the original.
        covers_cached: reading a prompt anew costs no more than the original's cached one.
    """

    model: ModelTier
    price: PriceTiers
    growth: Decimal
    covers_cached: bool


@dataclass(frozen=True, slots=True)
class Stall:
    """An original model, its price, and the offers beside it in the order of their names."""

    original: ModelTier
    price: PriceTiers
    offers: tuple[Offer, ...]


class Market:
    """A catalogue with prices."""

    def __init__(self, catalogue: Catalogue, prices: PriceTable) -> None:
        self.catalogue = catalogue
        self.prices = prices
        self._window = -1
        self._stalls: dict[tuple[str, str, str | None], Stall | str] = {}

    def stall(
        self, provider: str, model: str, service_tier: str | None, at: datetime
    ) -> Stall | str:
        """What could stand in for a model, or why nothing can.

        Args:
            provider: as in `model_tiers.provider`.
            model: what the request asks for.
            service_tier: what the request asks for; a model without a price for it is left out.
            at: aware moment; prices are those of its window's beginning.
        """
        if len(model) > MAX_NAME or len(service_tier or "") > MAX_NAME:
            return "unknown_model"
        window = (at - _EPOCH) // WINDOW
        if window != self._window or len(self._stalls) > MAX_REMEMBERED:
            self._stalls.clear()
            self._window = window
        key = (provider, model, service_tier)
        found = self._stalls.get(key)
        if found is None:
            found = self._look(provider, model, service_tier, _EPOCH + window * WINDOW)
            self._stalls[key] = found
        return found

    def _look(
        self, provider: str, model: str, service_tier: str | None, at: datetime
    ) -> Stall | str:
        original = self.catalogue.find(provider, model)
        if original is None:
            return "unknown_model"
        price = self.prices.find(provider, (model,), at, service_tier)
        if price is None or not price.tier_known:
            return "unpriced"
        offers = []
        for other in sorted(self.catalogue.of_provider(provider), key=lambda other: other.model):
            if other.model == original.model or not other.enabled:
                continue
            asked = self.prices.find(provider, (other.model,), at, service_tier)
            growth = Decimal(other.token_percent) / original.token_percent
            if asked is None or not asked.tier_known or not never_dearer(asked, price, growth):
                continue
            offers.append(Offer(other, asked, growth, covers_cached(asked, price, growth)))
        return Stall(original, price, tuple(offers))
