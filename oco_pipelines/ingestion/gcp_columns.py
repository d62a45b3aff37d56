"""The fields of GCP's billing export in BigQuery, once, and how the columns of a file match them.

A field inside a struct is named by its path, `invoice.month`. Source: Google Cloud's reference of
the standard (`gcp_billing_export_v1_…`) and detailed (`gcp_billing_export_resource_v1_…`) tables.
Does not belong here: what a field means in FOCUS.
"""

from collections.abc import Iterable
from typing import Final, Literal

from oco_warehouse.errors import InvalidFileError

Variant = Literal["standard", "resource"]

# Why a line could not be read at all; a column of ours beside the export's own.
UNREADABLE: Final = "unreadable"
_NAMES: Final = """
    billing_account_id invoice.month invoice.publisher_type cost_type service.id service.description
    sku.id sku.description usage_start_time usage_end_time project.id project.name project.labels
    labels system_labels tags location.location location.region location.zone resource.name
    resource.global_name cost cost_at_list cost_at_effective_price_default currency
    currency_conversion_rate usage.amount usage.unit usage.amount_in_pricing_units
    usage.pricing_unit price.list_price price.effective_price price.effective_price_default
    price.tier_start_amount price.unit price.pricing_unit_quantity credits adjustment_info.id
    adjustment_info.description adjustment_info.mode adjustment_info.type consumption_model.id
    consumption_model.description subscription.instance_id transaction_type seller_name
"""
FIELDS: Final = tuple(_NAMES.split())
STRUCTS: Final = frozenset(field.split(".")[0] for field in FIELDS if "." in field)
# Without one of these the bill is wrong or has no place. `credits` too: net = cost + credits.
NECESSARY: Final = (
    "billing_account_id",
    "invoice.month",
    "cost_type",
    "service.description",
    "usage_start_time",
    "usage_end_time",
    "cost",
    "currency",
    "credits",
)
_ENOUGH_TO_TELL: Final = 4
# A query that flattens writes `invoice_month`.
_BY_SPELLING: Final = {
    spelling: field for field in FIELDS for spelling in (field, field.replace(".", "_"))
}


def field_of(column: str) -> str | None:
    """The field of a column named `invoice.month` or `invoice_month`; None for what is ignored."""
    return _BY_SPELLING.get(column.strip().lower())


def recognise(names: Iterable[str]) -> Variant | None:
    """Which table the columns come from; None when they are no billing export of GCP."""
    fields = {field_of(name) for name in names}
    if "billing_account_id" not in fields or len(fields.intersection(NECESSARY)) < _ENOUGH_TO_TELL:
        return None
    detailed = {"resource.name", "resource.global_name", "subscription.instance_id"}
    return "resource" if fields & detailed else "standard"


def check_columns(name: str, names: Iterable[str]) -> Variant:
    """Refuse columns from which no bill can be made.

    Raises:
        InvalidFileError: one line naming the file and what is missing.
    """
    columns = list(names)
    variant = recognise(columns)
    if variant is None:
        raise InvalidFileError(f"{name}: the columns are not those of GCP's billing export")
    for column in columns:
        # A join of rows with their credits repeats the cost for each credit.
        if column.lower().startswith(("credits.", "credits_")):
            raise InvalidFileError(
                f"{name}: column {column!r}: credits are flattened, which repeats costs; "
                "export the array `credits` as it is, or TO_JSON_STRING(credits) AS credits"
            )
    fields = {field_of(column) for column in columns}
    missing = [field for field in NECESSARY if field not in fields]
    if missing:
        raise InvalidFileError(f"{name}: missing field {', '.join(missing)}")
    return variant
