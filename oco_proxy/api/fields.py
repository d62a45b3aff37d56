"""What single fields of requests are: for the document, and for parameters, how they are read.

`told(…)` says in the document what a handler checks by itself, in words of its own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import QueryParameter
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import AmountRange, plain
from oco_warehouse.names import one_spelling
from oco_warehouse.records import SCOPES

_NO_NUL: Final = "^[^\\x00]*$"


def told(**schema: Any) -> msgspec.Meta:
    """Members of a field's schema; nothing is checked by them."""
    return msgspec.Meta(extra_json_schema={"extra": schema})


Scope = Annotated[
    str,
    told(pattern=rf"^({'|'.join(SCOPES)}|tag:[^\x00]+)$", max_length=200),
]
Name = Annotated[str, told(min_length=1, max_length=200, pattern=_NO_NUL)]
Label = Annotated[str, told(max_length=200, pattern=_NO_NUL)]


class OfScope(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is made for an entity of a scope; its names are spelled as headers are read."""

    scope: Scope
    entity_id: Name

    def __post_init__(self) -> None:
        """Compose accents."""
        self.scope, self.entity_id = one_spelling(self.scope), one_spelling(self.entity_id)


# As text, so that it is not taken for a number of seconds since 1970.
Moment = Annotated[
    str | None,
    QueryParameter(description="With an offset", schema_extra={"format": "date-time"}),
]


def read_moment(name: str, text: str | None) -> datetime | None:
    """The moment that a parameter says; None when it is left out.

    Raises:
        InvalidInputError: when it is no moment, or has no offset.
    """
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise InvalidInputError(f"{name} must be a moment, as in 2026-11-23T00:00:00Z") from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"{name} must say its zone, as in 2026-11-23T00:00:00Z")
    return moment


def in_utc(name: str, moment: datetime) -> datetime:
    """An aware moment in UTC, which PostgreSQL's driver can hold.

    Raises:
        InvalidInputError: when its offset moves it out of the calendar.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(f"{name} is out of range") from None


def check_amount(name: str, amount: Decimal, held: AmountRange) -> None:
    """Whether an amount can be kept.

    Raises:
        InvalidInputError: when not, naming the member.
    """
    if not held.holds(amount):
        raise InvalidInputError(f"{name} must be {held.rule}")


def answered(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is answered: amounts are plain decimal text, which has no exponent."""
    return {name: _as_text(value) for name, value in row.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return [_as_text(one) for one in value] if isinstance(value, list) else value


class AmountSchema(OpenAPISchemaPlugin):
    """Decimals are taken as text, which is exact, or as numbers; they are answered as text."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether the field is a decimal."""
        return field_definition.annotation is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002
        """Its schema; what comes in has a range."""
        kinds = [OpenAPIType.STRING, OpenAPIType.NUMBER]
        held = next((m for m in field_definition.metadata if isinstance(m, AmountRange)), None)
        if held is None:
            return Schema(type=kinds)
        return Schema(
            type=kinds,
            pattern=held.pattern,
            minimum=None if held.above_zero else 0,
            exclusive_minimum=0 if held.above_zero else None,
            maximum=held.most,
        )
