"""Exact sums of money by currency. Pure.

Amounts are added as integers of a common scale where that cannot overflow, and as Python's Decimal
where it could: no digit is lost either way.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS, COSTS
from oco_warehouse.money import ZERO, exact_sum

# {currency: {billed_cost: …, effective_cost: …, list_cost: …, contracted_cost: …}}
Totals = dict[str, dict[str, Decimal]]

COST_COLUMNS: Final = tuple(COLUMNS[name].column for name in COSTS)
# 13 digits before the point and 18 after it leave 7 of Decimal(38)'s digits for the sum of as many
# as ten million rows.
_FITS: Final = r"^-?[0-9]{1,13}(\.[0-9]{1,18})?$"
_SUMMED: Final = pl.Decimal(38, 18)
_MAX_ROWS: Final = 10_000_000


def sum_costs(currency: pl.Series, costs: pl.DataFrame) -> Totals:
    """Exact sums by currency.

    Args:
        currency: of each row; not null.
        costs: some of COST_COLUMNS, as plain decimal texts; null counts nothing.
    """
    if currency.is_empty():
        return {}
    if currency.len() > _MAX_ROWS:
        raise ValueError(f"more than {_MAX_ROWS} rows at once")
    costs = costs.with_columns(
        pl.lit(None, pl.String).alias(name) for name in COST_COLUMNS if name not in costs.columns
    )
    fits = [pl.col(name).str.contains(_FITS) for name in COST_COLUMNS]
    frame = costs.select(COST_COLUMNS).with_columns(currency.alias("currency"))
    sums = frame.group_by("currency").agg(
        *(
            pl.col(name).filter(fit).cast(_SUMMED).sum()
            for name, fit in zip(COST_COLUMNS, fits, strict=True)
        ),
        *(
            pl.col(name).filter(~fit).alias(f"wide_{name}")
            for name, fit in zip(COST_COLUMNS, fits, strict=True)
        ),
    )
    totals = {
        row["currency"]: {
            name: _plain(exact_sum([row[name], *map(Decimal, row[f"wide_{name}"])]))
            for name in COST_COLUMNS
        }
        for row in sums.iter_rows(named=True)
    }
    return dict(sorted(totals.items()))


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


def totals_from_rows(rows: Iterable[dict[str, Any]]) -> Totals:
    """Sums as PostgreSQL answers them, a row for each billing_currency."""
    totals: Totals = {}
    for row in rows:
        currency: str = row.pop("billing_currency")
        totals[currency] = {name: Decimal(amount) for name, amount in row.items()}
    return totals


def totals_json(totals: Totals) -> dict[str, dict[str, str]]:
    """Totals with amounts as texts, as they are kept in JSON."""
    return {
        currency: {name: f"{amount:f}" for name, amount in sums.items()}
        for currency, sums in totals.items()
    }


def totals_from_json(kept: dict[str, dict[str, str]]) -> Totals:
    """What `totals_json` made."""
    return {
        currency: {name: Decimal(amount) for name, amount in sums.items()}
        for currency, sums in kept.items()
    }


def _plain(amount: Decimal) -> Decimal:
    """Without the zeros that a common scale adds."""
    text = f"{amount:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
