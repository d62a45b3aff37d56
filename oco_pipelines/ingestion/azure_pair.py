"""Makes one set of rows of an ActualCost and an AmortizedCost export: two views of the same money.

Actual says what was billed, amortized says what each charge costs with its share of what was paid
for commitments. A charge that both have becomes one row. What only one of them has keeps its own
money and has none of the other kind: a commitment bought is billed only, an unused one is effective
only. So the sums of both columns are those of the two files, whatever the files hold.
"""

from typing import Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS
from oco_warehouse.errors import InvalidInputError

# What makes a charge the same in both files.
_IDENTITY: Final = (
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "CommitmentDiscountStatus",
    "PricingCategory",
    "PublisherName",
    "ResourceId",
    "SkuId",
    "SubAccountId",
)
# What tells the charges of one resource, meter and day apart. The files are written at different
# times: a changed tag or a later quantity must not make two rows of one charge, so that only what
# agrees here is matched first, and then the rest without it.
_DETAILS: Final = ("CommitmentDiscountId", "InvoiceId", "PricingQuantity", "Tags")
_AMOUNTS: Final = tuple(name for name, column in COLUMNS.items() if column.kind == "amount")
_BOTH: Final = "_of_amortized"
AMORTIZED_ALONE: Final = (
    "an AmortizedCost export alone does not say what was billed: give the ActualCost export of the "
    "same month with it"
)


def combine(actual: pl.DataFrame | None, amortized: pl.DataFrame | None) -> pl.DataFrame:
    """The rows of both exports of a month, from `to_focus`, as one.

    Σ BilledCost is that of `actual`, Σ EffectiveCost that of `amortized`. Without `amortized` the
    rows of `actual` are given as they are.

    Raises:
        InvalidInputError: without `actual`, or when the two are not of one account and month.
    """
    if actual is None:
        raise InvalidInputError(AMORTIZED_ALONE)
    if amortized is None:
        return actual
    _refuse_unrelated(actual, amortized)
    joined = (
        actual.with_row_index("_actual")
        .join(_pairs(actual, amortized), on="_actual", how="left")
        .join(
            amortized.with_row_index("_amortized"),
            on="_amortized",
            how="full",
            suffix=_BOTH,
            maintain_order="left_right",
        )
    )
    is_billed = pl.col("_actual").is_not_null()
    is_spread = pl.col("_amortized" + _BOTH).is_not_null()
    nothing = pl.lit("0")
    values = {}
    for name in actual.columns:
        theirs = pl.col(name + _BOTH)
        # Amounts belong together: prices of one file beside quantities of the other fit neither.
        values[name] = (
            pl.when(is_spread).then(theirs).otherwise(name)
            if name in _AMOUNTS
            else pl.coalesce(theirs, name)
        )
    values["BilledCost"] = pl.when(is_billed).then("BilledCost").otherwise(nothing)
    values["EffectiveCost"] = pl.when(is_spread).then("EffectiveCost" + _BOTH).otherwise(nothing)
    values["PricingCurrencyEffectiveCost"] = (
        pl.when(is_spread | pl.col("PricingCurrencyEffectiveCost").is_null())
        .then("PricingCurrencyEffectiveCost" + _BOTH)
        .otherwise(nothing)
    )
    # An invoice is what was billed on it.
    values["InvoiceId"] = pl.coalesce("InvoiceId", "InvoiceId" + _BOTH)
    return joined.select(**values).select(actual.columns)


def _pairs(actual: pl.DataFrame, amortized: pl.DataFrame) -> pl.DataFrame:
    """Which row of the one is which of the other, each at most once: `_actual` and `_amortized`."""
    one, other = actual.with_row_index("_actual"), amortized.with_row_index("_amortized")
    found = []
    for key in ((*_IDENTITY, *_DETAILS), _IDENTITY):
        pairs = _numbered(one, key).join(
            _numbered(other, key), on=[*key, "_nth"], how="inner", nulls_equal=True
        )
        found.append(pairs.select("_actual", "_amortized"))
        one = one.join(pairs, on="_actual", how="anti")
        other = other.join(pairs, on="_amortized", how="anti")
    return pl.concat(found)


def _numbered(charges: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The charges with which of its equals each is, in an order that is not the file's."""
    # Of the amortized file the billed cost is not known, of the other the effective one is derived.
    cost = pl.coalesce("BilledCost", "EffectiveCost")
    return charges.sort(*_DETAILS, cost, nulls_last=True, maintain_order=True).with_columns(
        _nth=pl.int_range(pl.len()).over(*key)
    )


def _refuse_unrelated(actual: pl.DataFrame, amortized: pl.DataFrame) -> None:
    if not actual.height or not amortized.height:
        return  # Nothing billed, or nothing spread: what is there keeps its own money.
    if actual["BilledCost"].is_null().all() or amortized["BilledCost"].is_not_null().any():
        raise InvalidInputError("the ActualCost and the AmortizedCost export are exchanged")
    of = ("BillingAccountId", "BillingPeriodStart")
    # A commitment that is bought is in the one alone, what is spread of an older one in the other.
    is_plain = pl.col("CommitmentDiscountId").is_null() & (pl.col("ChargeCategory") == "Usage")
    for rows, others, lacking in (
        (actual, amortized, "AmortizedCost"),
        (amortized, actual, "ActualCost"),
    ):
        plain = set(rows.filter(is_plain).select(of).iter_rows())
        there = set(others.select(of).iter_rows())
        if plain - there:
            raise InvalidInputError(
                "the ActualCost and the AmortizedCost export are not of the same accounts and "
                f"months: the {lacking} export lacks {_shown(plain - there)}"
            )


def _shown(months: set[tuple[str | None, str | None]]) -> str:
    account, month = min(months, key=str)
    return f"{account} from {month}" + (f" and {len(months) - 1} more" if len(months) > 1 else "")
