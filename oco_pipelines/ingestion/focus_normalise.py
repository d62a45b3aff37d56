"""From a file's texts to rows of `oco.cloud_costs`, and to the rows that cannot become one. Pure.

accepted + rejected = the file, in rows and, as far as they can be read, in money. Works on whole
columns of some rows at a time; what a row becomes does not depend on the rows around it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Final

import pandera.polars as pa
import polars as pl

from oco_pipelines.ingestion.cost_totals import Totals, sum_costs
from oco_pipelines.ingestion.focus_columns import (
    CHARGE_CATEGORIES,
    COLUMNS,
    COSTS,
    PROVIDER_COLUMNS,
    REQUIRED,
)
from oco_pipelines.ingestion.focus_hash import row_hashes
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable
from oco_pipelines.ingestion.focus_values import provider_slug
from oco_pipelines.ingestion.focus_vectors import (
    INSTANT,
    ReadColumn,
    per_distinct,
    read_column,
    reasons_where,
)

# Changes whenever a file would be read differently: it is then read again though it is the same.
READER_VERSION: Final = 3
_UNKNOWN_CURRENCY: Final = "unknown"
_CURRENCY: Final = r"^[A-Z]{3}$"
_PERIODS: Final = ("charge_period", "billing_period")

# What every row that is loaded keeps to, whatever code came before.
ACCEPTED: Final = pa.DataFrameSchema(
    {
        **{
            COLUMNS[name].column: pa.Column(pl.String, pa.Check.str_matches(r"^-?\d+(\.\d+)?$"))
            for name in COSTS
            if name in REQUIRED
        },
        "contracted_cost": pa.Column(
            pl.String, pa.Check.str_matches(r"^-?\d+(\.\d+)?$"), nullable=True, required=False
        ),
        "charge_category": pa.Column(pl.String, pa.Check.isin(CHARGE_CATEGORIES)),
        "charge_class": pa.Column(
            pl.String, pa.Check.isin(["Correction"]), nullable=True, required=False
        ),
        "billing_currency": pa.Column(pl.String, pa.Check.str_matches(_CURRENCY)),
        "charge_period_start": pa.Column(INSTANT),
        "charge_period_end": pa.Column(INSTANT),
        "billing_period_start": pa.Column(INSTANT),
        "billing_period_end": pa.Column(INSTANT),
        "provider": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "service": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "account_id": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "tags": pa.Column(pl.String, pa.Check.str_startswith("{")),
        "date": pa.Column(pl.Date),
        "row_hash": pa.Column(pl.Binary),
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
    """Rows of a file, sorted into what can be loaded and what cannot.

    Attributes:
        accepted: columns of `oco.cloud_costs` that the file has, and what follows from them
            (provider, account_id, date, row_hash), with `row_number`.
        rejected: the rest.
        totals_source: sums over every row, as far as amounts can be read.
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
        """How many rows."""
        return self.accepted.height + len(self.rejected)

    @property
    def window(self) -> tuple[date, date] | None:
        """First and last usage day; None when nothing was accepted."""
        if self.accepted.is_empty():
            return None
        days = self.accepted.select(pl.min("date").alias("first"), pl.max("date").alias("last"))
        return days.row(0)


def normalise(table: SourceTable) -> Normalised:
    """Judge and convert every row.

    Raises:
        pandera.errors.SchemaErrors: when an accepted row breaks the promises of `ACCEPTED`, which
            is a mistake of this code and not of the file.
    """
    raw = table.rows.drop(ROW_NUMBER)
    read = {name: read_column(COLUMNS[name], raw[name]) for name in raw.columns}
    rows = pl.DataFrame(
        [column.values.alias(COLUMNS[name].column) for name, column in read.items()]
    )
    reasons = _reasons(raw, read, rows)
    fine = reasons.is_null()
    accepted = _derive(rows.filter(fine)).with_columns(table.rows[ROW_NUMBER].filter(fine))
    accepted = accepted.with_columns(row_hashes(accepted))
    ACCEPTED.validate(accepted, lazy=True)
    currency = raw["BillingCurrency"].str.replace_all("\0", "\N{SYMBOL FOR NULL}", literal=True)
    currency = currency.fill_null(_UNKNOWN_CURRENCY)
    return Normalised(
        accepted,
        tuple(_rejected(table.rows, reasons)),
        sum_costs(currency, rows),
        sum_costs(accepted["billing_currency"], accepted),
        sum_costs(currency.filter(~fine), rows.filter(~fine)),
    )


def _derive(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what follows from a charge's columns."""
    providers = [COLUMNS[name].column for name in PROVIDER_COLUMNS]
    provider = rows.select(pl.coalesce(name for name in providers if name in rows)).to_series()
    tags = pl.col("tags") if "tags" in rows else pl.lit(None, pl.String)
    accounts = [name for name in ("sub_account_id", "billing_account_id") if name in rows]
    return rows.with_columns(
        tags.fill_null("{}").alias("tags"),
        per_distinct(provider, provider_slug, pl.String).alias("provider"),
        pl.coalesce(accounts).alias("account_id"),
        pl.col("charge_period_start").dt.date().alias("date"),
    )


def _reasons(raw: pl.DataFrame, read: dict[str, ReadColumn], rows: pl.DataFrame) -> pl.Series:
    """Why each row cannot be loaded, null where it can; the first of several reasons is told."""
    found: list[pl.Series | None] = [
        _where(raw[name].is_null(), f"{name} is missing") for name in REQUIRED
    ]
    found += [column.reasons for column in read.values()]
    providers = [raw[name].is_null() for name in PROVIDER_COLUMNS if name in raw]
    nobody = pl.select(pl.all_horizontal(providers)).to_series()
    found.append(_where(nobody, f"{' or '.join(PROVIDER_COLUMNS)} is missing"))
    found.append(
        _unless(
            rows["charge_category"],
            rows["charge_category"].is_in(CHARGE_CATEGORIES),
            lambda text: f"ChargeCategory {text!r} is none of {', '.join(CHARGE_CATEGORIES)}",
        )
    )
    if "charge_class" in rows:
        found.append(
            _unless(
                rows["charge_class"],
                rows["charge_class"] == "Correction",
                lambda text: f"ChargeClass {text!r} is not Correction",
            )
        )
    found.append(
        _unless(
            rows["billing_currency"],
            rows["billing_currency"].str.contains(_CURRENCY),
            lambda text: f"BillingCurrency {text!r} is not a code of ISO 4217",
        )
    )
    for period in _PERIODS:
        start, end = rows[f"{period}_start"], rows[f"{period}_end"]
        found.append(reasons_where(end, end <= start, partial(_ends_early, period)))
    reasons = [series for series in found if series is not None]
    nothing = pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    return pl.select(pl.coalesce(*reasons, nothing)).to_series()


def _ends_early(period: str, end: datetime) -> str:
    return f"{period} ends at {end.isoformat()}, not after its start"


def _where(mask: pl.Series, reason: str) -> pl.Series | None:
    if not mask.any():
        return None
    return pl.select(pl.when(mask).then(pl.lit(reason))).to_series()


def _unless(series: pl.Series, fine: pl.Series, tell: Callable[[str], str]) -> pl.Series | None:
    return reasons_where(series, series.is_not_null() & ~fine, tell)


def _rejected(rows: pl.DataFrame, reasons: pl.Series) -> list[Rejected]:
    wrong = reasons.is_not_null()
    if not wrong.any():
        return []
    rejected = []
    told = reasons.filter(wrong).to_list()
    for reason, raw in zip(told, rows.filter(wrong).iter_rows(named=True), strict=True):
        number = raw.pop(ROW_NUMBER)
        values = {
            name: text.replace("\0", "\N{SYMBOL FOR NULL}")
            for name, text in raw.items()
            if text is not None
        }
        rejected.append(Rejected(number, reason, values))
    return rejected
