"""Translates rows of an Azure cost export into FOCUS, row by row, without knowing their neighbours.

Text in, text out: what cannot be read stays as it is, so that `normalise` rejects its row with a
reason. Does not belong here: how an ActualCost and an AmortizedCost file become one (azure_pair).
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import polars as pl

from oco_pipelines.ingestion.azure_charges import (
    AmountForms,
    Dataset,
    folded,
    read_charges,
    refuse_days_first,
    refuse_other_dataset,
    refuse_two_readings,
)
from oco_pipelines.ingestion.azure_columns import Variant
from oco_pipelines.ingestion.azure_costs import costs
from oco_pipelines.ingestion.azure_rules import (
    CHARGE_TYPES,
    COMMITMENTS,
    FREQUENCIES,
    REGIONS,
    service_categories,
)
from oco_pipelines.ingestion.azure_values import read_days, read_unit
from oco_pipelines.ingestion.focus_columns import COLUMNS

_TYPE: Final = pl.col("_type")


def to_focus(
    frame: pl.DataFrame, variant: Variant, dataset: Dataset, seen: AmountForms | None = None
) -> pl.DataFrame:
    """Rows of an export as rows of FOCUS, in their order.

    Args:
        frame: some or all rows of a file, as `read_table` gives them.
        variant: of the file, from `azure_columns.recognise`.
        dataset: which of the two exports it is. Rows of `amortized` have no BilledCost, so that
            they cannot be loaded before `azure_pair.combine` gave them one.
        seen: how the rows of the file before these write amounts, where there are some; is told
            how these do.

    Raises:
        InvalidInputError: when the rows are of the other export, have their days first and no
            billing period that tells so, or amounts that can be read in two ways.
    """
    charges = read_charges(frame, variant)
    refuse_other_dataset(charges, dataset)
    refuse_days_first(charges)
    refuse_two_readings(charges, AmountForms() if seen is None else seen)
    focus = (
        charges.select(**_who(), **_what(), **_commitment())
        .hstack(_days(charges))
        .hstack(_units(charges))
        .hstack(costs(charges, dataset))
        .with_columns(
            ConsumedQuantity=pl.when(pl.col("ConsumedUnit").is_not_null()).then("PricingQuantity")
        )
    )
    return focus.select(name for name in COLUMNS if name in focus.columns)


def _who() -> dict[str, pl.Expr]:
    is_aws = (
        pl.coalesce("provider", "publisher_type")
        .str.to_lowercase()
        .eq("aws")
        .fill_null(value=False)
    )
    is_marketplace = folded("publisher_type").eq("marketplace").fill_null(value=False)
    microsoft = pl.coalesce("publisher", pl.lit("Microsoft"))
    return {
        "BillingAccountId": pl.col("billing_account"),
        "BillingAccountName": pl.col("billing_account_name"),
        "SubAccountId": pl.col("subscription"),
        "SubAccountName": pl.col("subscription_name"),
        "SubAccountType": pl.when(pl.col("subscription").is_not_null()).then(
            pl.lit("Subscription")
        ),
        "InvoiceId": pl.col("invoice"),
        "InvoiceIssuerName": pl.when(is_aws)
        .then(pl.lit("Amazon Web Services"))
        .otherwise(pl.coalesce("partner", pl.lit("Microsoft"))),
        "ProviderName": pl.when(is_aws).then(pl.lit("AWS")).otherwise(pl.lit("Microsoft")),
        "PublisherName": pl.when(is_aws)
        .then(pl.coalesce("publisher", pl.lit("AWS")))
        .when(is_marketplace)
        .then(pl.coalesce("publisher", pl.lit("Azure Marketplace")))
        .otherwise(microsoft),
        "BillingCurrency": pl.col("currency"),
    }


def _what() -> dict[str, pl.Expr]:
    classes = {name: rule.charge_class for name, rule in CHARGE_TYPES.items()}
    corrected = pl.coalesce(
        _TYPE.replace_strict(classes, default=None),
        pl.when(pl.col("previous_invoice").is_not_null()).then(pl.lit("Correction")),
    )
    bought = pl.when(pl.col("_is_bought")).then(
        pl.when(pl.col("_is_plan"))
        .then(pl.lit("Azure Savings Plan for Compute"))
        .otherwise(pl.lit("Azure Reservations"))
    )
    sold = pl.when(folded("publisher_type").eq("marketplace")).then(pl.lit("Azure Marketplace"))
    service = pl.coalesce(
        "meter_category", "service_name", "consumed_service", bought, sold, "product"
    ).fill_null("Other")
    meant = pl.coalesce("product", "meter_name")
    told = pl.when(~_TYPE.is_in(list(CHARGE_TYPES))).then(
        pl.concat_str(["charge_type", meant], separator=": ", ignore_nulls=True)
    )
    categories = service_categories()
    region = pl.col("location").str.to_lowercase().str.replace_all(r"[\s-]", "")
    kind = pl.col("resource").str.extract(r"/providers/([^/]+/[^/]+)/[^/]+")
    detail = _each("meter_subcategory", lambda text: json.dumps({"x_MeterSubCategory": text}))
    tags = pl.col("tags")
    return {
        "ChargeCategory": pl.col("_category"),
        "ChargeClass": corrected,
        "ChargeDescription": pl.coalesce(told, meant, "charge_type"),
        "ChargeFrequency": folded("frequency").replace_strict(FREQUENCIES, default=None),
        "ServiceName": service,
        "ServiceCategory": pl.coalesce(
            service.str.to_lowercase().replace_strict(categories, default=None),
            pl.col("service_family").str.to_lowercase().replace_strict(categories, default=None),
            pl.lit("Other"),
        ),
        "SkuId": pl.col("meter_id"),
        "SkuMeter": pl.col("meter_name"),
        "SkuPriceId": pl.when(pl.col("meter_id").is_not_null()).then(pl.col("part_number")),
        "SkuPriceDetails": detail,
        "ResourceId": pl.col("resource"),
        "ResourceName": pl.coalesce("resource_name", pl.col("resource").str.extract(r"([^/]+)$")),
        "ResourceType": pl.coalesce(pl.col("resource_type").str.to_lowercase(), kind),
        "RegionId": region.replace(REGIONS),
        "RegionName": pl.col("location"),
        "AvailabilityZone": pl.col("zone"),
        # Azure leaves the braces out.
        "Tags": pl.when(tags.str.starts_with('"'))
        .then(pl.concat_str(pl.lit("{"), tags, pl.lit("}")))
        .otherwise(tags),
    }


def _commitment() -> dict[str, pl.Expr]:
    def of_committed(value: pl.Expr) -> pl.Expr:
        return pl.when(pl.col("_is_committed")).then(value)

    kind = pl.when(pl.col("_is_plan")).then(pl.lit("Savings Plan")).otherwise(pl.lit("Reservation"))
    return {
        # What is bought is asked at its own price; what it covers is not.
        "PricingCategory": pl.when(pl.col("_is_counted")).then(
            pl.when(pl.col("_is_bought"))
            .then(pl.lit("Standard"))
            .when(pl.col("_is_committed"))
            .then(pl.lit("Committed"))
            .otherwise("_way")
        ),
        "CommitmentDiscountId": pl.col("_commitment"),
        "CommitmentDiscountName": of_committed(pl.coalesce("benefit_name", "reservation_name")),
        "CommitmentDiscountType": of_committed(kind),
        "CommitmentDiscountCategory": of_committed(kind.replace_strict(COMMITMENTS)),
        "CommitmentDiscountStatus": pl.when(pl.col("_is_unused"))
        .then(pl.lit("Unused"))
        .when(pl.col("_is_used"))
        .then(pl.lit("Used")),
    }


def _days(charges: pl.DataFrame) -> pl.DataFrame:
    names = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
    columns = ["date", "period_start", "period_end", "period"]
    return _from_each(charges, columns, names, read_days)


def _units(charges: pl.DataFrame) -> pl.DataFrame:
    """Units as the file says them; what was consumed only where one unit is one of something.

    Whether Quantity counts hours or hundreds of them where the unit is `100 Hours`, Azure's files
    do not agree on. The price is per what Quantity counts: PricingQuantity is true either way.
    """

    def units(text: str | None, *, counted: bool, consumed: bool) -> tuple[str | None, str | None]:
        if text is None or not counted:
            return None, None
        unit = read_unit(text)
        return str(unit), unit.name if consumed and unit.size == 1 else None

    consumed = pl.col("_category").eq("Usage") & ~pl.col("_is_unused")
    return _from_each(
        charges.with_columns(_is_consumed=consumed),
        ["unit", "_is_counted", "_is_consumed"],
        ("PricingUnit", "ConsumedUnit"),
        lambda text, counted, consumed: units(text, counted=counted, consumed=consumed),
    )


def _from_each(
    charges: pl.DataFrame,
    columns: list[str],
    names: Iterable[str],
    read: Callable[..., tuple[str | None, ...]],
) -> pl.DataFrame:
    """What `read` makes of each row's columns; values repeat a lot, so each is read once."""
    known: dict[tuple[Any, ...], tuple[str | None, ...]] = {}
    rows = []
    for row in charges.select(columns).iter_rows():
        if row not in known:
            known[row] = read(*row)
        rows.append(known[row])
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _each(column: str, read: Callable[[str], str]) -> pl.Expr:
    return pl.col(column).map_elements(read, return_dtype=pl.String)
