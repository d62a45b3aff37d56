"""genai-prices' bundled catalogue as rows of `oco.model_pricing`. Pure; reads no network."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.pricing import STANDARD_TIER

# Their provider → ours. Other providers come with the providers of the gateway.
PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
}
ALWAYS: Final = "-infinity"
_PROCESSING_TIERS: Final = frozenset({"batch", "flex", "priority"})
# Their price key → our column. What is not here (images, video, hours) has no column yet.
_COLUMNS: Final[Mapping[str, str]] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}
# Their price a thousand uses → the name of the tool.
_TOOLS: Final[Mapping[str, str]] = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
}


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of `oco.model_pricing`; USD per million tokens.

    Attributes:
        effective_from: an aware moment, or "-infinity" where the price always held.
        prices: amounts by the field names of `oco_warehouse.pricing.Price`.
        tools: USD a use, by tool.
    """

    provider: str
    model: str
    effective_from: datetime | str
    service_tier: str
    min_context_tokens: int
    prices: Mapping[str, Decimal]
    tools: Mapping[str, Decimal]

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Primary key of the table, as plain text and numbers."""
        moment = str(self.effective_from)
        return (self.provider, self.model, moment, self.service_tier, self.min_context_tokens)


def read_catalogue() -> list[PriceRow]:
    """Rows of every priced model of the gateway's providers, sorted by key, without duplicates."""
    from genai_prices.data import providers

    rows: dict[tuple[str, str, str, str, int], PriceRow] = {}
    for provider in providers:
        if provider.id in PROVIDERS:
            for row in model_rows(PROVIDERS[provider.id], provider.models):
                # A model that stands in the list by its own id wins over another's alias.
                rows.setdefault(row.key, row)
    return [rows[key] for key in sorted(rows)]


def model_rows(provider: str, models: Iterable[Any]) -> Iterator[PriceRow]:
    """Rows of a provider's models: first under their own names, then under their exact aliases."""
    listed = list(models)
    own = {model.id for model in listed}
    for model in listed:
        yield from _rows_of(provider, model.id, model)
    for model in listed:
        for alias in _exact_names(model.match):
            if alias not in own:
                yield from _rows_of(provider, alias, model)


def catalogue_version() -> str:
    """What is copied to each request that a price was used for."""
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def _exact_names(clause: Any) -> Iterator[str]:
    """Names that a match rule lists literally; patterns are left to the gateway's family rule."""
    if (name := getattr(clause, "equals", None)) is not None:
        yield name
    for part in getattr(clause, "or_", None) or ():
        yield from _exact_names(part)


def _rows_of(provider: str, name: str, model: Any) -> Iterator[PriceRow]:
    for moment, price in _history(model.prices):
        yield from _tiers(provider, name, moment, STANDARD_TIER, price.__dict__)
    standard = list(_history(model.prices))
    for variant in model.price_variants or ():
        tier = variant.when.get("processing")
        if tier not in _PROCESSING_TIERS or len(variant.when) != 1:
            continue
        since = _moment(variant.constraint)
        if since is None:
            continue
        base = standard[-1][1].__dict__ if standard else {}
        own = {key: value for key, value in variant.prices.__dict__.items() if value is not None}
        yield from _tiers(provider, name, since, tier, {**base, **own})


def _history(prices: Any) -> list[tuple[datetime | str, Any]]:
    """(effective from, price) in order of time; hours of the day are no history and are skipped."""
    if not isinstance(prices, list):
        return [(ALWAYS, prices)]
    history = [(_moment(entry.constraint), entry.prices) for entry in prices]
    return [(moment, price) for moment, price in history if moment is not None]


def _moment(constraint: Any) -> datetime | str | None:
    if constraint is None:
        return ALWAYS
    start = getattr(constraint, "start_date", None)
    return None if start is None else datetime.combine(start, time(), UTC)


def _tiers(
    provider: str,
    name: str,
    moment: datetime | str,
    service_tier: str,
    price: Mapping[str, Any],
) -> Iterator[PriceRow]:
    """One row per context tier; a price without tiers holds in all of them."""
    starts = {0}
    for value in price.values():
        starts.update(tier.start for tier in getattr(value, "tiers", ()))
    for start in sorted(starts):
        prices = {
            column: _at(price[key], start)
            for key, column in _COLUMNS.items()
            if price.get(key) is not None
        }
        if "input" not in prices:
            continue
        if "embedding" in name:
            # They only read: there is no output to charge for.
            prices.setdefault("output", Decimal(0))
        tools = {
            tool: _at(price[key], start).scaleb(-3)
            for key, tool in _TOOLS.items()
            if price.get(key) is not None
        }
        yield PriceRow(provider, name, moment, service_tier, start, prices, tools)


def _at(value: Any, start: int) -> Decimal:
    """The price of a context tier: the last step that begins at or below it."""
    if isinstance(value, Decimal):
        return value
    chosen: Decimal = value.base
    for tier in value.tiers:
        if tier.start <= start and start > 0:
            chosen = tier.price
    return chosen
