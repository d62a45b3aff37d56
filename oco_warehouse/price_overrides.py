"""Prices that a person states: for models that the catalogue lacks, or that cost something else.

Belongs here: what such a price is and when it is refused. Does not belong here: reading a file
(`oco_pipelines.llm.price_file`), the API (`oco_proxy.api.prices`), or any SQL.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.pricing import STANDARD_TIER, normalise_tier

SOURCE: Final = "override"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
# A million dollars for a million tokens: whatever is above is a mistake of units.
Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=30, decimal_places=20)]


_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def usable_moment(moment: datetime | None) -> datetime | None:
    """The moment itself, when a price can begin at it.

    Raises:
        ValueError: when it has no offset, or lies where no price was or will be.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("needs an offset, as in 2026-11-01T00:00:00Z")
    if not _FIRST <= moment < _LAST:
        raise ValueError("must be from 2000 to 2199")
    return moment


class PriceOverride(BaseModel):
    """One price; amounts in USD per million tokens unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Name = Field(description="openai, anthropic, gemini or a configured provider")
    model: Name = Field(description="Model name as the provider bills it")
    effective_from: Annotated[datetime | None, AfterValidator(usable_moment)] = Field(
        None, description="From when it holds, with an offset; unset: it always held"
    )
    service_tier: Name = Field(STANDARD_TIER, description="Service tier that it is for")
    min_context_tokens: int = Field(
        0, ge=0, le=10**9, description="Holds when the prompt has more tokens than this"
    )
    input_per_m_token: Amount = Field(description="Uncached input tokens")
    output_per_m_token: Amount = Field(description="Output tokens")
    cached_input_per_m_token: Amount | None = Field(None, description="Input read from a cache")
    cache_write_per_m_token: Amount | None = Field(None, description="Input written for 5 minutes")
    cache_write_1h_per_m_token: Amount | None = Field(None, description="Input written for an hour")
    reasoning_per_m_token: Amount | None = Field(None, description="Reasoning tokens")
    audio_input_per_m_token: Amount | None = Field(None, description="Audio input tokens")
    audio_output_per_m_token: Amount | None = Field(None, description="Audio output tokens")
    per_request: Amount = Field(Decimal(0), description="USD for every request")
    max_output_tokens: int | None = Field(
        None, ge=1, le=10**9, description="Largest answer of the model"
    )

    def values(self, price_version: str) -> tuple[object, ...]:
        """Values in the order of `OVERRIDE_COLUMNS`; None as the moment means always."""
        row: dict[str, object] = dict(self)
        row["service_tier"] = normalise_tier(self.service_tier)
        row["source"] = SOURCE
        row["price_version"] = price_version
        return tuple(row[name] for name in OVERRIDE_COLUMNS)


KEY_COLUMNS: Final = ("provider", "model", "effective_from", "service_tier", "min_context_tokens")
OVERRIDE_COLUMNS: Final = (*PriceOverride.model_fields, "source", "price_version")


def read_override(values: object) -> PriceOverride:
    """A price from plain values, as JSON or a line of a table has them.

    Raises:
        InvalidInputError: one line naming the field and what is wrong with it.
    """
    try:
        return PriceOverride.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "price"
        raise InvalidInputError(f"{field}: {first['msg']}") from None


def version_of(moment: datetime) -> str:
    """What is copied to each request that a price of this moment was used for."""
    return f"{SOURCE} {moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
