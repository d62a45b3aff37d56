"""From a file's texts to rows of `oco.cloud_costs`, and to the rows that cannot become one. Pure.

accepted + rejected = the file, in rows and, as far as they can be read, in money.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pandera.polars as pa
import polars as pl

from oco_pipelines.ingestion.focus_columns import (
    CHARGE_CATEGORIES,
    COLUMNS,
    COSTS,
    PROVIDER_COLUMNS,
    REQUIRED,
    Kind,
    warehouse_columns,
)
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable
from oco_pipelines.ingestion.focus_values import (
    provider_slug,
    read_amount,
    read_instant,
    read_object,
)
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import ZERO, exact_sum

# {currency: {billed_cost: …, effective_cost: …, list_cost: …, contracted_cost: …}}
Totals = dict[str, dict[str, Decimal]]

_READERS: Final[dict[Kind, Callable[[str], Any]]] = {
    "amount": read_amount,
    "instant": read_instant,
    "object": read_object,
}
_UNKNOWN_CURRENCY: Final = "unknown"
COST_COLUMNS: Final = tuple(COLUMNS[name].column for name in COSTS)

# What every row that is loaded keeps to, whatever code came before.
ACCEPTED: Final = pa.DataFrameSchema(
    {
        **{
            COLUMNS[name].column: pa.Column(pl.String, pa.Check.str_matches(r"^-?\d+(\.\d+)?$"))
            for name in COSTS
            if name in REQUIRED
        },
        "contracted_cost": pa.Column(
            pl.String, pa.Check.str_matches(r"^-?\d+(\.\d+)?$"), nullable=True
        ),
        "charge_category": pa.Column(pl.String, pa.Check.isin(CHARGE_CATEGORIES)),
        "charge_class": pa.Column(pl.String, pa.Check.isin(["Correction"]), nullable=True),
        "billing_currency": pa.Column(pl.String, pa.Check.str_matches(r"^[A-Z]{3}$")),
        "charge_period_start": pa.Column(pl.Datetime("us", "UTC")),
        "charge_period_end": pa.Column(pl.Datetime("us", "UTC")),
        "billing_period_start": pa.Column(pl.Datetime("us", "UTC")),
        "billing_period_end": pa.Column(pl.Datetime("us", "UTC")),
        "provider": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "service": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "account_id": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "tags": pa.Column(pl.String, pa.Check.str_startswith("{")),
        "date": pa.Column(pl.Date),
        "row_hash": pa.Column(pl.Binary),
        "occurrence": pa.Column(pl.Int64, pa.Check.ge(1)),
    }
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be loaded: its number in the file, why, and its values."""

    row_number: int
    reason: str
    raw: dict[str, str]


@dataclass(frozen=True, slots=True)
class Normalised:
    """A file, sorted into what can be loaded and what cannot.

    Attributes:
        accepted: columns of `oco.cloud_costs` that come from the file, with row_hash, occurrence.
        rejected: the rest.
        totals_source: sums over every row of the file, as far as amounts can be read.
        totals_accepted: sums over `accepted`.
        totals_rejected: sums over `rejected`.
    """

    accepted: pl.DataFrame
    rejected: tuple[Rejected, ...]
    totals_source: Totals
    totals_accepted: Totals
    totals_rejected: Totals

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.accepted.height + len(self.rejected)

    @property
    def window(self) -> tuple[date, date] | None:
        """First and last usage day; None when nothing was accepted."""
        if self.accepted.is_empty():
            return None
        days = self.accepted["date"].to_list()
        return min(days), max(days)


def normalise(table: SourceTable) -> Normalised:
    """Judge and convert every row of a file.

    Raises:
        pandera.errors.SchemaErrors: when an accepted row breaks the promises of `ACCEPTED`, which
            is a mistake of this code and not of the file.
    """
    cache: dict[tuple[Kind, str], Any] = {}
    accepted: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    seen: dict[bytes, int] = defaultdict(int)
    for raw in table.rows.iter_rows(named=True):
        number = raw.pop(ROW_NUMBER)
        try:
            row = _convert(raw, cache)
        except InvalidInputError as error:
            values = {name: _storable(text) for name, text in raw.items() if text is not None}
            rejected.append(Rejected(number, str(error), values))
            continue
        row["row_hash"] = digest = _row_hash(row)
        seen[digest] += 1
        row["occurrence"] = seen[digest]
        accepted.append(row)
    frame = pl.DataFrame(accepted, schema=_schema())
    ACCEPTED.validate(frame, lazy=True)
    source = totals(_costs_of(table.rows.iter_rows(named=True)))
    good = totals(
        (row["billing_currency"], [row[name] for name in COST_COLUMNS]) for row in accepted
    )
    bad = totals(_costs_of(row.raw for row in rejected))
    return Normalised(frame, tuple(rejected), source, good, bad)


def totals(rows: Iterable[tuple[str, list[str | None]]]) -> Totals:
    """Exact sums by currency of (currency, [billed, effective, list, contracted])."""
    amounts: dict[str, dict[str, list[Decimal]]] = {}
    for currency, costs in rows:
        sums = amounts.setdefault(currency, {name: [] for name in COST_COLUMNS})
        for name, cost in zip(COST_COLUMNS, costs, strict=True):
            if cost is not None:
                sums[name].append(Decimal(cost))
    return {
        currency: {name: exact_sum(values) for name, values in sums.items()}
        for currency, sums in sorted(amounts.items())
    }


def add_totals(one: Totals, other: Totals) -> Totals:
    """The sum of two totals."""
    return {
        currency: {
            name: exact_sum(
                (one.get(currency, {}).get(name, ZERO), other.get(currency, {}).get(name, ZERO))
            )
            for name in COST_COLUMNS
        }
        for currency in sorted(one.keys() | other.keys())
    }


def _convert(raw: Mapping[str, str | None], cache: dict[tuple[Kind, str], Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(warehouse_columns())
    for name in REQUIRED:
        if raw[name] is None:
            raise InvalidInputError(f"{name} is missing")
    for name, text in raw.items():
        column = COLUMNS[name]
        if text is None:
            continue
        if "\0" in text:
            raise InvalidInputError(f"{name} holds a NUL character, which PostgreSQL cannot keep")
        row[column.column] = text if column.kind == "text" else _read(name, text, cache)
    _judge(row)
    row["tags"] = row["tags"] or "{}"
    row["provider"] = provider_slug(next(filter(None, map(raw.get, PROVIDER_COLUMNS))))
    row["account_id"] = row["sub_account_id"] or row["billing_account_id"]
    row["date"] = row["charge_period_start"].date()
    return row


def _read(name: str, text: str, cache: dict[tuple[Kind, str], Any]) -> Any:
    """Values repeat a lot within a file: each is read once."""
    kind = COLUMNS[name].kind
    found = cache.get((kind, text))
    if found is None:
        try:
            found = _READERS[kind](text)
        except InvalidInputError as error:
            raise InvalidInputError(f"{name}: {error}") from None
        cache[kind, text] = found
    return found


def _judge(row: Mapping[str, Any]) -> None:
    if not any(row[COLUMNS[name].column] for name in PROVIDER_COLUMNS):
        raise InvalidInputError(f"{' or '.join(PROVIDER_COLUMNS)} is missing")
    if row["charge_category"] not in CHARGE_CATEGORIES:
        raise InvalidInputError(
            f"ChargeCategory {row['charge_category']!r} is none of {', '.join(CHARGE_CATEGORIES)}"
        )
    if row["charge_class"] not in {None, "Correction"}:
        raise InvalidInputError(f"ChargeClass {row['charge_class']!r} is not Correction")
    currency = row["billing_currency"]
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise InvalidInputError(f"BillingCurrency {currency!r} is not a code of ISO 4217")
    for period in ("charge_period", "billing_period"):
        start: datetime = row[f"{period}_start"]
        end: datetime = row[f"{period}_end"]
        if end <= start:
            raise InvalidInputError(f"{period} ends at {end.isoformat()}, not after its start")


def _row_hash(row: Mapping[str, Any]) -> bytes:
    """SHA-256 over what the charge says; the order of columns is the order of `COLUMNS`."""
    values = [
        value.isoformat() if isinstance(value, datetime) else value
        for value in (row[name] for name in warehouse_columns())
    ]
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).digest()


def _costs_of(
    rows: Iterable[Mapping[str, str | None]],
) -> Iterator[tuple[str, list[str | None]]]:
    for row in rows:
        currency = _storable(row.get("BillingCurrency") or _UNKNOWN_CURRENCY)
        yield currency, [_readable(row.get(name)) for name in COSTS]


def _storable(text: str) -> str:
    """A text as PostgreSQL can keep it: NUL as its symbol."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def _readable(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return read_amount(text)
    except InvalidInputError:
        return None


def _schema() -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "instant": pl.Datetime("us", "UTC"),
        "text": pl.String,
        "amount": pl.String,
        "object": pl.String,
    }
    columns = {column.column: kinds[column.kind] for column in COLUMNS.values()}
    return {
        **columns,
        "provider": pl.String,
        "account_id": pl.String,
        "date": pl.Date,
        "row_hash": pl.Binary,
        "occurrence": pl.Int64,
    }
