"""Reads rows of an Azure cost export into fields of one name each, and says what kind they are.

Text in, text out, row by row. Does not belong here: what FOCUS calls it.
"""

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from oco_pipelines.ingestion.azure_columns import PROFILED, SPELLINGS, Variant
from oco_pipelines.ingestion.azure_costs import ACTUAL, AMORTIZED
from oco_pipelines.ingestion.azure_rules import (
    CHARGE_TYPES,
    DEFAULT_CHARGE_TYPE,
    PLACEHOLDERS,
    PRICING_CATEGORIES,
    UNKNOWN_CHARGE_TYPE,
)
from oco_pipelines.ingestion.azure_values import is_day_first
from oco_warehouse.errors import InvalidInputError

Dataset = Literal["actual", "amortized"]

# A GUID and a path of Azure's are the same however they are written.
_CASELESS: Final = ("subscription", "resource", "benefit_id", "reservation_id", "meter_id")
_AMOUNTS: Final = (
    "cost",
    "cost_in_pricing_currency",
    "list_cost",
    "exchange_rate",
    "quantity",
    "unit_price",
    "list_price",
)
# Without a doubt: not `1,234`.
_DECIMAL_COMMA: Final = r"^[+-]?(\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,})|0,\d+)$"
_ONE_OR_THOUSANDS: Final = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
_VERBATIM: Final = (*_AMOUNTS, "tags")
_TYPE: Final = pl.col("_type")


@dataclass(slots=True)
class AmountForms:
    """How the rows of a file that were read so far write amounts: the first of each form."""

    with_comma: str | None = None
    two_ways: str | None = None


def read_charges(frame: pl.DataFrame, variant: Variant) -> pl.DataFrame:
    """Every field of `SPELLINGS` as a text, null where the file has none, and what a row is.

    `_type` is the type of charge as in `CHARGE_TYPES`, `_category` what FOCUS calls it, `_way` what
    it calls the way of pricing, `_commitment` the id of a commitment. `_is_committed` rows belong
    to one: `_is_bought` is it or its refund, `_is_used` what it covers, `_is_unused` what it does
    not. `_is_plan` tells a savings plan from a reservation. `_is_counted` rows have quantities.
    """
    return _with_meaning(_fields(frame, variant))


def refuse_other_dataset(charges: pl.DataFrame, dataset: Dataset) -> None:
    """Refuse rows that the named export cannot have.

    Raises:
        InvalidInputError: for unused commitments, or used ones that cost something, in an actual
            file; for bought ones in an amortized file.
    """
    if dataset == ACTUAL and charges["_is_unused"].any():
        raise InvalidInputError(
            "this is an AmortizedCost export, not an ActualCost one: it has unused commitments"
        )
    costs = charges["cost"].str.contains("^[^eE]*[1-9]").fill_null(value=False)
    if dataset == ACTUAL and (charges["_is_used"] & costs).any():
        raise InvalidInputError(
            "this is an AmortizedCost export, not an ActualCost one: usage that a commitment "
            "covers has a cost"
        )
    if dataset == AMORTIZED and (charges["_is_bought"] & charges["_type"].eq("purchase")).any():
        raise InvalidInputError(
            "this is an ActualCost export, not an AmortizedCost one: it has commitments bought"
        )


def refuse_two_readings(charges: pl.DataFrame, seen: AmountForms) -> None:
    """Refuse amounts as `1.234` beside others as `12,5`, whose point may be one of thousands.

    Args:
        charges: some rows of a file.
        seen: what the rows before them have; is told what these have.

    Raises:
        InvalidInputError: naming one of each.
    """
    amounts = pl.concat([charges[column].drop_nulls() for column in _AMOUNTS])
    seen.with_comma = seen.with_comma or _first(amounts, _DECIMAL_COMMA)
    seen.two_ways = seen.two_ways or _first(amounts, _ONE_OR_THOUSANDS)
    if seen.with_comma and seen.two_ways:
        raise InvalidInputError(
            f"has amounts with a decimal comma ({seen.with_comma!r}), beside which "
            f"{seen.two_ways!r} could be one and a part, or a thousand and more: export the file "
            "again"
        )


def _first(texts: pl.Series, pattern: str) -> str | None:
    found = texts.filter(texts.str.contains(pattern))
    return found[0] if len(found) else None


def refuse_days_first(charges: pl.DataFrame) -> None:
    """Refuse dates that have their day first where no last day of a period tells so in every row.

    Raises:
        InvalidInputError: because the same file's `05/09/2026` would be believed to be in May.
    """
    alone = charges.filter(pl.col("period_end").is_null() & pl.col("date").is_not_null())
    for text, start in alone.select("date", "period_start").unique(maintain_order=True).iter_rows():
        if is_day_first(text, start):
            raise InvalidInputError(
                f"the date {text!r} has its day first, and no end of a billing period tells for "
                "the others which is which: Azure writes MM/DD/YYYY, export the file again"
            )


def folded(column: str) -> pl.Expr:
    """A word of Azure's without case and blanks: `On Demand` and `OnDemand` are one."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"[\s_-]", "")


def _fields(frame: pl.DataFrame, variant: Variant) -> pl.DataFrame:
    """The frame with a text column for each field, null where the file has none."""
    fields = {}
    for field in SPELLINGS:
        columns = [pl.col(column).str.strip_chars() for column in variant.columns.get(field, ())]
        # Two columns of money are two amounts: the second never stands in for the first.
        spelt = columns[:1] if field in _AMOUNTS else columns
        if field not in _VERBATIM:
            spelt = [_said(column) for column in spelt]
        fields[field] = pl.coalesce(spelt) if spelt else pl.lit(None, dtype=pl.String)
    of_profile = variant.agreement in PROFILED
    account = ("billing_account", "billing_account_name")
    profile = ("billing_profile", "billing_profile_name")
    best, second = (profile, account) if of_profile else (account, profile)
    return (
        frame.select(**fields)
        .with_columns(
            *(pl.col(field).str.to_lowercase() for field in _CASELESS),
            *(pl.col(field).str.to_uppercase() for field in ("currency", "pricing_currency")),
        )
        .with_columns(
            currency=pl.coalesce("currency", pl.lit(variant.currency, dtype=pl.String)),
            billing_account=pl.coalesce(
                best[0],
                pl.lit(variant.billing_account, dtype=pl.String),
                second[0],
                "customer",
                "subscription",
                "account",
            ),
            billing_account_name=pl.col(best[1]),
        )
    )


def _said(text: pl.Expr) -> pl.Expr:
    """A text, or null where it only says that there is none."""
    is_empty = text.str.to_lowercase().is_in(["", *PLACEHOLDERS])
    return pl.when(~is_empty).then(text)


def _with_meaning(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges with what their type and their way of pricing mean."""
    types = {name: rule.category for name, rule in CHARGE_TYPES.items()}
    model = folded("pricing_model")
    commitment = pl.coalesce("benefit_id", "reservation_id")
    is_plan = (
        model.str.starts_with("savingsplan")
        | _TYPE.eq("unusedsavingsplan")
        | commitment.str.contains("/microsoft.billingbenefits/")
    ).fill_null(value=False)
    way = pl.col("_way")
    # A bought commitment is one whatever its way of pricing; for usage the way of pricing decides.
    is_committed = (
        way.eq("Committed").fill_null(value=False)
        | commitment.is_not_null() & (way.is_null() | pl.col("_category").eq("Purchase"))
        | pl.col("_is_unused")
    )
    is_usage, is_purchase = (pl.col("_category").eq(word) for word in ("Usage", "Purchase"))
    return (
        charges.with_columns(
            _type=folded("charge_type").fill_null(DEFAULT_CHARGE_TYPE),
            _way=model.replace_strict(PRICING_CATEGORIES, default=None),
        )
        .with_columns(
            _category=_TYPE.replace_strict(types, default=UNKNOWN_CHARGE_TYPE.category),
            _is_unused=_TYPE.is_in([name for name, rule in CHARGE_TYPES.items() if rule.is_unused]),
            _is_plan=is_plan,
        )
        .with_columns(_is_committed=is_committed)
        .with_columns(
            _commitment=pl.when(pl.col("_is_committed")).then(commitment),
            _is_counted=is_usage | is_purchase,
            _is_bought=pl.col("_is_committed") & is_purchase,
            _is_used=pl.col("_is_committed") & is_usage & ~pl.col("_is_unused"),
        )
    )
