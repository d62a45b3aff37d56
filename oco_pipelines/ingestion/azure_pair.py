"""Makes one set of rows of an ActualCost and an AmortizedCost export: two views of the same money.

Actual says what was billed, amortized says what each charge costs with its share of what was paid
for commitments. A charge that both have becomes one row. What only one of them has keeps its own
money and has none of the other kind: a commitment bought is billed only, an unused one is effective
only. So the sums of both columns are those of the two files, whatever the files hold.
"""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER
from oco_warehouse.errors import InvalidInputError

# What makes a charge the same in both files.
IDENTITY: Final = (
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
_OTHER: Final = "_other"
_BOTH: Final = "_of_amortized"
# Of an account and a month.
_WHOSE: Final = ("BillingAccountId", "BillingPeriodStart")
AMORTIZED_ALONE: Final = (
    "an AmortizedCost export alone does not say what was billed: give the ActualCost export of the "
    "same month with it"
)


Whose = tuple[str | None, str | None]


@dataclass(slots=True)
class Seen:
    """What the rows of an export that were seen so far tell about it.

    Attributes:
        rows: how many.
        has_billed: whether any of them says what was billed.
        there: accounts and months of all of them.
        plain: those of usage that no commitment covers, which the other export has, too.
    """

    rows: int = 0
    has_billed: bool = False
    there: set[Whose] = field(default_factory=set)
    plain: set[Whose] = field(default_factory=set)

    def add(self, rows: pl.DataFrame) -> None:
        """See some more rows, from `to_focus`."""
        # A commitment that is bought is in one export alone, what is spread of an older one in the
        # other.
        is_plain = pl.col("CommitmentDiscountId").is_null() & (pl.col("ChargeCategory") == "Usage")
        self.rows += rows.height
        self.has_billed |= bool(rows["BilledCost"].is_not_null().any())
        self.there.update(rows.select(_WHOSE).unique().iter_rows())
        self.plain.update(rows.filter(is_plain).select(_WHOSE).unique().iter_rows())


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
    billed, spread = Seen(), Seen()
    billed.add(actual)
    spread.add(amortized)
    refuse_unrelated(billed, spread)
    return matched(
        actual.with_row_index(ROW_NUMBER), amortized.with_row_index(ROW_NUMBER, actual.height)
    ).drop(ROW_NUMBER)


def matched(actual: pl.DataFrame, amortized: pl.DataFrame) -> pl.DataFrame:
    """The rows of both exports, or of what is in the same buckets of `IDENTITY`, as one.

    Both have row numbers, no number twice. A charge that both have keeps that of `actual`; rows
    come in the order of their numbers.
    """
    joined = actual.join(_pairs(actual, amortized), on=ROW_NUMBER, how="left").join(
        amortized, left_on=_OTHER, right_on=ROW_NUMBER, how="full", suffix=_BOTH, coalesce=False
    )
    is_billed = pl.col(ROW_NUMBER).is_not_null()
    is_spread = pl.col(ROW_NUMBER + _BOTH).is_not_null()
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
    for name in (ROW_NUMBER, "InvoiceId"):
        values[name] = pl.coalesce(name, name + _BOTH)
    return joined.select(**values).select(actual.columns).sort(ROW_NUMBER)


def _pairs(actual: pl.DataFrame, amortized: pl.DataFrame) -> pl.DataFrame:
    """Which row of the one is which of the other, each at most once: their numbers."""
    looked_at = (ROW_NUMBER, *IDENTITY, *_DETAILS, "BilledCost", "EffectiveCost")
    one, other = actual.select(looked_at), amortized.select(looked_at).rename({ROW_NUMBER: _OTHER})
    found = []
    for key in ((*IDENTITY, *_DETAILS), IDENTITY):
        pairs = _numbered(one, key).join(
            _numbered(other, key), on=[*key, "_nth"], how="inner", nulls_equal=True
        )
        found.append(pairs.select(ROW_NUMBER, _OTHER))
        one = one.join(pairs, on=ROW_NUMBER, how="anti")
        other = other.join(pairs, on=_OTHER, how="anti")
    return pl.concat(found)


def _numbered(charges: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The charges with which of its equals each is, in an order that is not the file's."""
    # Of the amortized file the billed cost is not known, of the other the effective one is derived.
    cost = pl.coalesce("BilledCost", "EffectiveCost")
    return charges.sort(*_DETAILS, cost, nulls_last=True, maintain_order=True).with_columns(
        _nth=pl.int_range(pl.len()).over(*key)
    )


def refuse_unrelated(actual: Seen, amortized: Seen) -> None:
    """Refuse two exports, all rows of which were seen, that are not of the same charges.

    Raises:
        InvalidInputError: when they are exchanged, or not of the same accounts and months.
    """
    if not actual.rows or not amortized.rows:
        return  # Nothing billed, or nothing spread: what is there keeps its own money.
    if not actual.has_billed or amortized.has_billed:
        raise InvalidInputError("the ActualCost and the AmortizedCost export are exchanged")
    for rows, others, lacking in (
        (actual, amortized, "AmortizedCost"),
        (amortized, actual, "ActualCost"),
    ):
        if rows.plain - others.there:
            raise InvalidInputError(
                "the ActualCost and the AmortizedCost export are not of the same accounts and "
                f"months: the {lacking} export lacks {_shown(rows.plain - others.there)}"
            )


def _shown(months: set[Whose]) -> str:
    account, month = min(months, key=str)
    return f"{account} from {month}" + (f" and {len(months) - 1} more" if len(months) > 1 else "")
