"""From rows of GCP's billing export to rows of FOCUS, text for text. Pure, and row by row.

Nothing is rejected here: what cannot be read goes on as the text it is, so that `normalise` rejects
the row and says why. One row becomes one or more charges (`gcp_charges`) that share everything but
their money. `export_time` is no part of a charge: a row that is delivered again is the same row.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import polars as pl

from oco_pipelines.ingestion.focus_columns import COLUMNS, REQUIRED
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable
from oco_pipelines.ingestion.focus_values import read_amount, read_instant
from oco_pipelines.ingestion.gcp_charges import Charge, Row, charges
from oco_pipelines.ingestion.gcp_columns import FIELDS, UNREADABLE
from oco_pipelines.ingestion.gcp_credits import read_list
from oco_warehouse.errors import InvalidInputError

PROVIDER: Final = "Google Cloud"
_SCHEMA: Final = {**dict.fromkeys(COLUMNS, pl.String), ROW_NUMBER: pl.UInt32}
_MONTH: Final = re.compile(r"(\d{4})-?(\d{2})(?:\.0)?")
_EPOCH: Final = re.compile(r"\d+(?:\.\d+)?(?:[eE]\+?\d+)?")
# The export's own grain.
_GRAIN: Final = timedelta(hours=1)
_THIRD_PARTY: Final = frozenset({"THIRD_PARTY_RESELLER", "THIRD_PARTY_AGENCY"})


def translate(batches: Iterable[pl.DataFrame]) -> Iterator[SourceTable]:
    """Batches of `gcp_reader` as what `normalise` takes, one by one."""
    for batch in batches:
        yield SourceTable(to_focus(batch), ())


def to_focus(frame: pl.DataFrame) -> pl.DataFrame:
    """Every FOCUS column as text, and `row_number` of the row that a charge comes from.

    Args:
        frame: text columns named as in `FIELDS`; one that is not there is null.
    """
    numbered = frame if ROW_NUMBER in frame.columns else frame.with_row_index(ROW_NUMBER, offset=1)
    wanted = [name for name in (UNREADABLE, *FIELDS) if name in frame.columns]
    found: list[Charge | dict[str, str | int | None]] = []
    for number, row in zip(
        numbered[ROW_NUMBER], numbered.select(wanted).iter_rows(named=True), strict=True
    ):
        found.extend({**charge, ROW_NUMBER: number} for charge in focus_rows(row))
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def focus_rows(row: Row) -> Iterator[Charge]:
    """The charges of one row of the export."""
    reason = row.get(UNREADABLE)
    if reason is not None:
        # Nothing is known of it but that it is there; the reason stands where an amount would.
        unknown: Charge = dict.fromkeys(REQUIRED, "unknown")
        yield {**unknown, "BilledCost": reason, "ProviderName": PROVIDER}
        return
    common = _common(row)
    for charge in charges(row):
        if charge["ChargeCategory"] == "Tax":
            charge |= {"SkuId": None, "SkuPriceId": None}
        yield {**common, **charge}


def _common(row: Row) -> Charge:
    project = row.get("project.id")
    month = _billing_period(row.get("invoice.month"))
    period = _charge_period(row.get("usage_start_time"), row.get("usage_end_time"))
    service = row.get("service.description") or row.get("service.id")
    sku = row.get("sku.id")
    return {
        "BillingAccountId": row.get("billing_account_id"),
        "BillingAccountType": "Billing Account",
        "BillingCurrency": row.get("currency"),
        "BillingPeriodStart": month[0],
        "BillingPeriodEnd": month[1],
        "ChargePeriodStart": period[0],
        "ChargePeriodEnd": period[1],
        "ServiceName": service,
        "ServiceCategory": _service_categories().get((service or "").lower(), "Other"),
        "SkuId": sku,
        "SkuPriceId": _sku_price_id(row) if sku else None,
        "SkuPriceDetails": _details(row),
        "SubAccountId": project,
        "SubAccountName": row.get("project.name") if project else None,
        "SubAccountType": "Project" if project else None,
        "RegionId": row.get("location.region") or row.get("location.location"),
        "AvailabilityZone": row.get("location.zone"),
        **_seller(row),
        **_resource(row.get("resource.global_name"), row.get("resource.name")),
        "Tags": _tags(*(row.get(field) for field in _TAGS)),
    }


def _seller(row: Row) -> Charge:
    """Who made it and who bills it: on the marketplace Google resells, or is a seller's agent."""
    transaction = (row.get("transaction_type") or "").upper()
    third = transaction in _THIRD_PARTY or row.get("invoice.publisher_type") == "PARTNER"
    seller = (row.get("seller_name") if third else None) or PROVIDER
    return {
        "ProviderName": PROVIDER,
        "PublisherName": seller,
        "InvoiceIssuerName": seller if transaction == "THIRD_PARTY_AGENCY" else PROVIDER,
    }


def _resource(global_name: str | None, name: str | None) -> Charge:
    """`//compute.googleapis.com/projects/p/zones/z/instances/i` is of type `instances`."""
    parts = (global_name or "").strip("/").split("/")
    return {
        "ResourceId": global_name or name,
        "ResourceName": name,
        "ResourceType": parts[-2] if len(parts) > 2 else None,
    }


def _sku_price_id(row: Row) -> str:
    tier = _number(row.get("price.tier_start_amount"))
    return "/".join(filter(None, (row.get("sku.id"), row.get("consumption_model.id"), tier)))


def _number(text: str | None) -> str | None:
    """One text for one number, so that `0` and `0.000000000` make one identity."""
    try:
        return None if text is None else read_amount(text)
    except InvalidInputError:
        return text


def _details(row: Row) -> str | None:
    """What the price rests on and FOCUS has no column for."""
    found = {
        "x_ServiceId": row.get("service.id"),
        "x_ConsumptionModelId": row.get("consumption_model.id"),
        "x_ConsumptionModel": row.get("consumption_model.description"),
        "x_CurrencyConversionRate": _number(row.get("currency_conversion_rate"))
        if row.get("currency") != "USD"
        else None,
    }
    known = {key: text for key, text in found.items() if text is not None}
    return json.dumps(known) if known else None


_TAGS: Final = ("labels", "project.labels", "system_labels", "tags")


@lru_cache(maxsize=4096)
def _tags(
    labels: str | None, project: str | None, system: str | None, tags: str | None
) -> str | None:
    """Labels under their own names; the rest under a prefix, so that none hides another.

    Labels of one kind that have one key: the last counts; a tag of the resource's own counts before
    one that it inherits.
    """
    found: dict[str, str] = {}
    try:
        for prefix, field, text in (
            ("", "labels", labels),
            ("project:", "project.labels", project),
            ("system:", "system_labels", system),
        ):
            for label in read_list(field, text):
                found[f"{prefix}{label.get('key') or ''}"] = str(label.get("value") or "")
        own_last = sorted(
            read_list("tags", tags), key=lambda tag: str(tag.get("inherited")).lower() != "true"
        )
        for tag in own_last:
            path = "/".join(str(tag[part]) for part in ("namespace", "key") if tag.get(part))
            found[f"tag:{path}"] = str(tag.get("value") or "")
    except InvalidInputError as error:
        return str(error)
    return json.dumps(found) if found else None


@lru_cache(maxsize=64)
def _billing_period(month: str | None) -> tuple[str | None, str | None]:
    """The invoice's month; a text that is none stays, to be rejected as it is."""
    match = _MONTH.fullmatch(month.strip()) if month else None
    if match is None or not 1 <= int(match[2]) <= 12:
        return month, month
    year, number = int(match[1]), int(match[2])
    after = f"{year + number // 12:04}-{number % 12 + 1:02}"
    return f"{year:04}-{number:02}-01T00:00:00Z", f"{after}-01T00:00:00Z"


@lru_cache(maxsize=4096)
def _charge_period(start: str | None, end: str | None) -> tuple[str | None, str | None]:
    """Start and end of the usage; a period without length is one of the export's hours."""
    start, end = _instant(start), _instant(end)
    try:
        if start and end and (begin := read_instant(start)) == read_instant(end):
            return start, (begin + _GRAIN).isoformat()
    except InvalidInputError:
        pass  # the text that is no time is rejected as it is
    return start, end


def _instant(text: str | None) -> str | None:
    """A count of seconds, milli-, micro- or nanoseconds since 1970 as a time; others as they are.

    The count's size tells its unit: of the years 2000 to 2099 no two units share a value.
    """
    if text is None or not _EPOCH.fullmatch(text):
        return text
    count = Decimal(text)
    for limit, to_micros in ((10**11, 10**6), (10**14, 10**3), (10**17, 1)):
        if count < limit:
            micros = int(count * to_micros)
            break
    else:
        micros = int(count) // 1000 if count < 10**20 else 0
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()


@cache
def _service_categories() -> dict[str, str]:
    text = (files(__package__) / "gcp_service_categories.csv").read_text("utf-8")
    return {row["service"].lower(): row["category"] for row in csv.DictReader(text.splitlines())}
