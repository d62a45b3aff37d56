"""Prices that a person states: for models that the catalogue lacks, or that cost something else.

Belongs here: what such a price is and when it is refused. Does not belong here: reading a file
(`oco_pipelines.llm.price_file`), the API (`oco_proxy.api.prices`), or any SQL.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import AmountRange, json_amounts
from oco_warehouse.pricing import STANDARD_TIER, normalise_tier

SOURCE: Final = "override"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
# A million dollars for a million tokens: whatever is above is a mistake of units.
_RANGE: Final = AmountRange(1_000_000)


def usable_amount(amount: Decimal) -> Decimal:
    """The amount itself, when it can be a price.

    Raises:
        ValueError: when not.
    """
    if not _RANGE.holds(amount):
        raise ValueError(f"must be {_RANGE.rule}")
    return amount


def usable_number(tools: dict[str, Decimal]) -> dict[str, Decimal]:
    """The prices themselves, when they are not too many.

    Raises:
        ValueError: when they are.
    """
    if len(tools) > _MOST_TOOLS:
        raise ValueError(f"has at most {_MOST_TOOLS} tools")
    return tools


Amount = Annotated[Decimal, _RANGE, AfterValidator(usable_amount)]
_MOST_TOOLS: Final = 100
Medium = Literal[
    "cached_audio_input",
    "cached_image_input",
    "image_input",
    "image_output",
    "video_input",
    "video_output",
]

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


def whole_number(count: object) -> object:
    """The count itself, when it is a number: the web framework asks for no strictness.

    Raises:
        ValueError: when it is a text, or true or false.
    """
    if isinstance(count, str | bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic tells of ValueErrors
    return count


Whole = Annotated[int, BeforeValidator(whole_number)]


class PriceOverride(BaseModel):
    """One price; amounts in USD per million tokens unless said otherwise.

    What it leaves out is as the catalogue has it, for the same service tier and size of prompt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Name = Field(description="openai, anthropic, gemini or a configured provider")
    model: Name = Field(description="Model name as the provider bills it")
    effective_from: Annotated[datetime | None, AfterValidator(usable_moment)] = Field(
        None, description="From when it holds, with an offset; unset: it always held"
    )
    service_tier: Name = Field(STANDARD_TIER, description="Service tier that it is for")
    min_context_tokens: Whole = Field(
        0,
        ge=0,
        le=10**9,
        description="Holds when the prompt has more tokens than this",
    )
    input_per_m_token: Amount = Field(description="Uncached input tokens")
    output_per_m_token: Amount = Field(description="Output tokens")
    cached_input_per_m_token: Amount | None = Field(None, description="Input read from a cache")
    cache_write_per_m_token: Amount | None = Field(None, description="Input written for 5 minutes")
    cache_write_1h_per_m_token: Amount | None = Field(None, description="Input written for an hour")
    reasoning_per_m_token: Amount | None = Field(None, description="Reasoning tokens")
    audio_input_per_m_token: Amount | None = Field(None, description="Audio input tokens")
    audio_output_per_m_token: Amount | None = Field(None, description="Audio output tokens")
    per_request: Amount | None = Field(None, description="USD for every request")
    max_output_tokens: Whole | None = Field(
        None, ge=1, le=10**9, description="Largest answer of the model"
    )
    tool_prices: Annotated[dict[Name, Amount], AfterValidator(usable_number)] = Field(
        {}, description="USD for a use of each tool, by its name"
    )
    media_prices: dict[Medium, Amount] = Field(
        {}, description="Tokens of media that cost other than text"
    )

    def values(self, price_version: str) -> tuple[object, ...]:
        """Values in the order of `OVERRIDE_COLUMNS`; None as the moment means always.

        Those of `JSON_COLUMNS` are JSON text.
        """
        row: dict[str, object] = dict(self)
        row["service_tier"] = normalise_tier(self.service_tier)
        for name in JSON_COLUMNS:
            row[name] = json_amounts(getattr(self, name))
        row["source"] = SOURCE
        row["price_version"] = price_version
        return tuple(row[name] for name in OVERRIDE_COLUMNS)


PRICE_KEY: Final = ("provider", "model", "effective_from", "service_tier", "min_context_tokens")
KEY_COLUMNS: Final = (*PRICE_KEY, "source")
WHOLE_COLUMNS: Final = ("min_context_tokens", "max_output_tokens")
JSON_COLUMNS: Final = ("tool_prices", "media_prices")
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
