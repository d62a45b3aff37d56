"""What single fields of requests are: for the document, and for parameters, how they are read.

`told(…)` says in the document what a handler checks by itself, in words of its own.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import QueryParameter
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from oco_warehouse.errors import InvalidInputError
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


class AmountSchema(OpenAPISchemaPlugin):
    """Decimals are taken as text, which is exact, or as numbers; they are answered as text."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether the field is a decimal."""
        return field_definition.annotation is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002
        """Its schema."""
        return Schema(type=[OpenAPIType.STRING, OpenAPIType.NUMBER])
