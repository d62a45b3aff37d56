"""Reads single values of a FOCUS file. Pure, and exact: an amount never becomes a float."""

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import parse_money

EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2100, 1, 1)
# NUMERIC holds far more; beyond this a value is a mistake, not money.
_MAX_DIGITS: Final = 60
_INSTANT: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?"
)
# JSON can escape what no text in PostgreSQL, nor UTF-8, can hold.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def read_amount(text: str) -> str:
    """A decimal number as plain text without an exponent or trailing zeros, digit for digit.

    Raises:
        InvalidInputError: when it is no finite decimal number of a sensible length.
    """
    amount = parse_money(text)
    _, digits, exponent = amount.as_tuple()
    if len(digits) + abs(int(exponent)) > _MAX_DIGITS:
        raise InvalidInputError(f"{text!r} has more than {_MAX_DIGITS} digits")
    plain = format(amount, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain


def read_instant(text: str) -> datetime:
    """An ISO 8601 date or time as an aware UTC datetime; without a zone it is UTC, as FOCUS says.

    Raises:
        InvalidInputError: when it is none, or lies outside 2000 to 2099.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"{text!r} is not an ISO 8601 date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(zone),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{text!r} is not a date of the calendar") from None
    if not EARLIEST <= moment.date() < LATEST:
        raise InvalidInputError(f"{text!r} lies outside {EARLIEST.year} to {LATEST.year - 1}")
    return moment


def read_object(text: str) -> str:
    """A JSON object with text values, as canonical JSON.

    Takes what vendors write: an object, its inside without braces, or a list of pairs.

    Raises:
        InvalidInputError: when it is none of these.
    """
    stripped = text.strip()
    for candidate in (stripped, f"{{{stripped}}}"):
        try:
            parsed = json.loads(candidate, parse_float=Decimal, parse_int=str)
        except ValueError:
            continue
        if isinstance(parsed, list) and all(
            isinstance(pair, dict) and "key" in pair for pair in parsed
        ):
            parsed = {pair["key"]: pair.get("value") for pair in parsed}
        if isinstance(parsed, dict):
            values = {str(key): _text(value) for key, value in parsed.items()}
            if any(_UNSTORABLE.search(text) for pair in values.items() for text in pair):
                raise InvalidInputError("an escaped NUL or half character cannot be kept")
            return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    raise InvalidInputError(f"{text[:60]!r} is not a JSON object")


def provider_slug(name: str) -> str:
    """The short name of a provider: aws, azure, gcp, oci, or its own name in lower case."""
    lowered = name.lower()
    for slug, words in (
        ("aws", ("aws", "amazon")),
        ("azure", ("azure", "microsoft")),
        ("gcp", ("google", "gcp")),
        ("oci", ("oracle", "oci")),
    ):
        if any(re.search(rf"\b{word}\b", lowered) for word in words):
            return slug
    return re.sub(r"[^a-z0-9]+", "-", lowered).strip("-") or "unknown"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return str(value)


def _zone(text: str | None) -> timezone:
    if text is None or text in {"Z", "UTC"}:
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "").ljust(4, "0")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))
