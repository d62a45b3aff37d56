"""FOCUS 1.0-preview, as the reports of Oracle Cloud still have it, in the words of 1.0. Pure.

Source: FinOps Open Cost and Usage Specification 1.0-preview and 1.0, and Oracle's FOCUS reports.
"""

from typing import Final

import polars as pl

# {name in 1.0-preview: the same in 1.0}
RENAMED: Final = {
    "InvoiceIssuer": "InvoiceIssuerName",
    "Provider": "ProviderName",
    "Publisher": "PublisherName",
    "Region": "RegionId",
    "UsageQuantity": "ConsumedQuantity",
    "UsageUnit": "ConsumedUnit",
}
# What 1.0 says in three other columns.
SUBCATEGORY: Final = "ChargeSubcategory"
_STATUSES: Final = {"Used Commitment": "Used", "Unused Commitment": "Unused"}
_PRICING: Final = {"On-Demand": "Standard", "Commitment-Based": "Committed"}


def as_1_0(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with 1.0's columns and words; those of another version stay as they are.

    Args:
        rows: texts under FOCUS' names, and `ChargeSubcategory` where the file has it.
    """
    if "PricingCategory" in rows.columns:
        rows = rows.with_columns(pl.col("PricingCategory").replace(_PRICING))
    if SUBCATEGORY not in rows.columns:
        return rows
    kind, nothing = pl.col(SUBCATEGORY), pl.lit(None, pl.String)

    def known(column: str) -> pl.Expr:
        return pl.col(column) if column in rows.columns else nothing

    return rows.with_columns(
        ChargeCategory=pl.when(kind == "Credit").then(kind).otherwise(known("ChargeCategory")),
        ChargeClass=pl.when(kind == "Refund")
        .then(pl.lit("Correction"))
        .otherwise(known("ChargeClass")),
        CommitmentDiscountStatus=pl.coalesce(
            kind.replace_strict(_STATUSES, default=None, return_dtype=pl.String),
            known("CommitmentDiscountStatus"),
        ),
    ).drop(SUBCATEGORY)
