"""Lists by cursor: an opaque mark of the last row seen, stable while rows come and go."""

import base64
import binascii
from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar.params import FromQuery, QueryParameter

from oco_proxy.api.fields import answered
from oco_warehouse.errors import InvalidInputError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="Rows of one page")]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=1000, description="`next_cursor` of the page before; opaque"),
]
Filter = FromQuery[str | None]


class Page(msgspec.Struct):
    """One page of a list.

    Attributes:
        items: rows, newest first; money is decimal text.
        next_cursor: send it as `cursor` for the next page; null on the last one.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None


def encode_cursor(at: datetime, key: str) -> str:
    """The mark of a row by its time and key."""
    text = msgspec.json.encode([at.isoformat(), key])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> tuple[datetime | None, str | None]:
    """(time, key) of the last row seen; (None, None) for the first page.

    Raises:
        InvalidInputError: when the cursor is not one of ours.
    """
    if not cursor:
        return None, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, key = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=tuple[datetime, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidInputError("the cursor is not one that this API gave out") from None
    # PostgreSQL's driver cannot hold a moment that an offset moves out of the calendar.
    if at.tzinfo is None or not MINYEAR < at.year < MAXYEAR or "\0" in key:
        raise InvalidInputError("the cursor is not one that this API gave out")
    return at, key


async def newest_page(pool: Any, table: str, columns: str, cursor: str | None, limit: int) -> Page:
    """A page of a whole table with `id` and `created_at`, newest first.

    Args:
        pool: connections.
        table: its name with the schema; like `columns` a constant of ours.
        columns: what is answered, `created_at` and `id` as text among them.
        cursor: `next_cursor` of the page before.
        limit: rows of a page.

    Raises:
        InvalidInputError: when the cursor is not one of ours.
    """
    at, key = decode_cursor(cursor)
    rows = await pool.fetch(
        f"SELECT {columns} FROM {table} "  # noqa: S608 - constants
        "WHERE ($1::timestamptz IS NULL OR (created_at, id::text) < ($1, $2)) "
        "ORDER BY created_at DESC, id::text DESC LIMIT $3",
        at,
        key,
        limit + 1,
    )
    return to_page(rows, limit, "created_at", "id")


def to_page(rows: Sequence[Any], limit: int, at: str, key: str) -> Page:
    """A page from `limit + 1` rows that are ordered by the columns `at` and `key`, descending."""
    items = [answered(row) for row in rows[:limit]]
    more = len(rows) > limit
    last = rows[:limit][-1] if items else None
    cursor = encode_cursor(last[at], str(last[key])) if more and last else None
    return Page(items, cursor)
