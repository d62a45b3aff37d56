"""genai-prices' bundled catalogue as rows of `oco.model_pricing`. Pure; reads no network."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final

from oco_warehouse.pricing import STANDARD_TIER, normalise_tier

# Their provider → ours. Other providers come with the providers of the gateway.
PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "gemini",
}
ALWAYS: Final = "-infinity"
# What their variants of a price are chosen by; each value is a service tier of ours.
_TIER_KEYS: Final = ("processing", "service_tier", "speed")
# Their price key → our column.
_COLUMNS: Final[Mapping[str, str]] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}
# Their price key → the medium.
_MEDIA: Final[Mapping[str, str]] = {
    "cache_audio_read_mtok": "cached_audio_input",
    "cache_image_read_mtok": "cached_image_input",
    "input_image_mtok": "image_input",
    "input_video_mtok": "video_input",
    "output_image_mtok": "image_output",
    "output_video_mtok": "video_output",
}
# Their price a thousand uses → the name of the tool.
_TOOLS: Final[Mapping[str, str]] = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
}
# Sounds that are billed by their length, at prices that a second has exactly.
_AUDIO_HOURS: Final = ("input_audio_hours", "audio_hours")
_SECONDS_AN_HOUR: Final = 3600
_SECOND_PLACES: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of `oco.model_pricing`; USD per million tokens.

    Attributes:
        effective_from: an aware moment, or "-infinity" where the price always held.
        prices: amounts by the field names of `oco_warehouse.pricing.Price`.
        tools: USD a use, by tool; `audio_second` is a second of sound.
        media: USD per million tokens, by medium.
    """

    provider: str
    model: str
    effective_from: datetime | str
    service_tier: str
    min_context_tokens: int
    prices: Mapping[str, Decimal]
    tools: Mapping[str, Decimal]
    media: Mapping[str, Decimal] = field(default_factory=dict)

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
    standard = _history(model.prices)
    for moment, price in standard:
        yield from _tiers(provider, name, moment, STANDARD_TIER, price.__dict__)
    variants: dict[str, list[tuple[datetime | str, Any]]] = {}
    for variant in model.price_variants or ():
        tier, since = _tier_of(variant.when), _moment(variant.constraint)
        if tier != STANDARD_TIER and since is not None:
            variants.setdefault(tier, []).append((since, variant.prices))
    for tier, own in variants.items():
        for moment, price in _variant_history(standard, own):
            yield from _tiers(provider, name, moment, tier, price)


def _tier_of(when: Mapping[str, str]) -> str:
    """The service tier that a variant is for; the standard one where it is chosen otherwise."""
    if len(when) != 1:
        return STANDARD_TIER
    ((key, value),) = when.items()
    return normalise_tier(value) if key in _TIER_KEYS else STANDARD_TIER


def _variant_history(
    standard: list[tuple[datetime | str, Any]], own: list[tuple[datetime | str, Any]]
) -> Iterator[tuple[datetime | str, Mapping[str, Any]]]:
    """Prices of a tier from each moment on at which they change: its own over the standard ones.

    Of several variants that hold at once the first one states the price, as in the catalogue.
    """
    moments = {moment for moment, _ in (*standard, *own)}
    for moment in sorted(moments, key=_order):
        active = [price for since, price in own if _order(since) <= _order(moment)]
        if not active:
            continue
        held = [price for since, price in standard if _order(since) <= _order(moment)]
        price = dict((held[-1] if held else standard[0][1]).__dict__) if standard else {}
        for variant in reversed(active):
            price.update({k: v for k, v in variant.__dict__.items() if v is not None})
        yield moment, price


def _order(moment: datetime | str) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.min.replace(tzinfo=UTC)


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
        prices = _amounts(price, _COLUMNS, start)
        tools = {tool: amount.scaleb(-3) for tool, amount in _amounts(price, _TOOLS, start).items()}
        if (second := _second(price)) is not None:
            tools["audio_second"] = second
        if "input" not in prices and "audio_second" not in tools:
            continue
        if "embedding" in name:
            # They only read: there is no output to charge for.
            prices.setdefault("output", Decimal(0))
        media = _amounts(price, _MEDIA, start)
        yield PriceRow(provider, name, moment, service_tier, start, prices, tools, media)


def _amounts(price: Mapping[str, Any], names: Mapping[str, str], start: int) -> dict[str, Decimal]:
    return {
        ours: _at(price[theirs], start)
        for theirs, ours in names.items()
        if price.get(theirs) is not None
    }


def _second(price: Mapping[str, Any]) -> Decimal | None:
    """What a second of sound costs, where it can be said without rounding."""
    for key in _AUDIO_HOURS:
        hour = price.get(key)
        if isinstance(hour, Decimal):
            second = (hour / _SECONDS_AN_HOUR).quantize(_SECOND_PLACES).normalize()
            return second if second * _SECONDS_AN_HOUR == hour else None
    return None


def _at(value: Any, start: int) -> Decimal:
    """The price of a context tier: the last step that begins at or below it."""
    if isinstance(value, Decimal):
        return value
    chosen: Decimal = value.base
    for tier in value.tiers:
        if tier.start <= start and start > 0:
            chosen = tier.price
    return chosen
