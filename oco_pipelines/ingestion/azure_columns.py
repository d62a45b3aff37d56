"""What Azure Cost Management calls the columns of its cost exports, agreement by agreement.

Source: Microsoft's schemas of the cost and usage details files (Enterprise Agreement, Microsoft
Customer Agreement, Microsoft Partner Agreement, pay-as-you-go), 2019 to 2024, and the older EA
usage details. Does not belong here: what a value means.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from oco_warehouse.errors import InvalidInputError

Agreement = Literal["EA", "MCA", "CSP", "usage only", "EA usage details"]
# Invoices of these are by billing profile; those of an EA by enrolment, which is the account.
PROFILED: Final = ("MCA", "CSP")

# {what a charge has: spellings, the best first}. A spelling is written without case, blanks and
# punctuation: `Meter Sub-Category`, `meterSubCategory` and `MeterSubcategory` are one.
SPELLINGS: Final = {
    field: tuple(names.split())
    for field, names in {
        "cost": "costinbillingcurrency cost pretaxcost extendedcost",
        "date": "date usagedatetime usagedate",
        "currency": "billingcurrencycode billingcurrency currency currencycode",
        "cost_in_pricing_currency": "costinpricingcurrency",
        "list_cost": "paygcostinbillingcurrency",
        "pricing_currency": "pricingcurrencycode pricingcurrency",
        "exchange_rate": "exchangeratepricingtobilling exchangerate",
        "quantity": "quantity usagequantity consumedquantity",
        "unit_price": "unitprice",
        "list_price": "paygprice",
        "unit": "unitofmeasure",
        "charge_type": "chargetype",
        "pricing_model": "pricingmodel",
        "frequency": "frequency",
        "benefit_id": "benefitid",
        "benefit_name": "benefitname",
        "reservation_id": "reservationid",
        "reservation_name": "reservationname",
        "publisher_type": "publishertype",
        "publisher": "publishername",
        "provider": "provider",
        "partner": "partnername",
        "period_start": "billingperiodstartdate billingperiodstart",
        "period_end": "billingperiodenddate billingperiodend",
        "period": "billingperiod billingmonth",
        "billing_profile": "billingprofileid",
        "billing_profile_name": "billingprofilename",
        "billing_account": "billingaccountid enrollmentnumber",
        "billing_account_name": "billingaccountname",
        "customer": "customertenantid",
        "invoice": "invoiceid invoicenumber invoiceld",
        "previous_invoice": "previousinvoiceid",
        # In the older EA files SubscriptionId is a number of its own; the GUID is what stays.
        "subscription": "subscriptionguid subscriptionid",
        "subscription_name": "subscriptionname",
        "account": "accountownerid accountname",
        "resource": "resourceid instanceid instancename",
        "resource_name": "resourcename",
        "resource_type": "resourcetype",
        "location": "resourcelocation location resourcelocationnormalized",
        "zone": "availabilityzone",
        "meter_category": "metercategory",
        "meter_subcategory": "metersubcategory",
        "meter_name": "metername meter",
        "meter_id": "meterid resourceguid",
        "service_name": "servicename",
        "service_family": "servicefamily",
        "consumed_service": "consumedservice",
        "product": "productname product",
        "part_number": "partnumber",
        "tags": "tags tag",
    }.items()
}
_FIELD_OF: Final = {name: field for field, names in SPELLINGS.items() for name in names}
# Names that no other vendor's bill has: two of them make a file Azure's.
_TELLTALES: Final = {
    "metercategory",
    "metersubcategory",
    "meterid",
    "metername",
    "consumedservice",
    "subscriptionguid",
    "paygprice",
    "costinbillingcurrency",
    "pretaxcost",
    "extendedcost",
    "unitofmeasure",
    "publishertype",
}
_NECESSARY: Final = {
    "cost": "CostInBillingCurrency (or Cost, PreTaxCost, ExtendedCost)",
    "date": "Date (or UsageDateTime)",
    "currency": "BillingCurrency (or BillingCurrencyCode, Currency)",
}
_LOCALISED: Final = re.compile(r"\(([^()]+)\)$")


@dataclass(frozen=True, slots=True)
class Variant:
    """How one file spells what its charges have.

    Attributes:
        agreement: whose header it is; decides which column names the billing account.
        columns: {field of `SPELLINGS`: the file's columns for it, the best first}.
        ignored: columns of the file that say nothing about cost.
        currency: of every row, where the file does not name one.
        billing_account: of every row, where the file does not name one.
    """

    agreement: Agreement
    columns: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]
    currency: str | None = None
    billing_account: str | None = None


def recognise(
    columns: Iterable[str], *, currency: str | None = None, billing_account: str | None = None
) -> Variant | None:
    """What kind of Azure cost export has these columns; None when it is none.

    Args:
        columns: the header, in any case, language and spacing.
        currency: the billing currency, for the older files that do not say it.
        billing_account: the enrolment or account, for files that do not say it.

    Raises:
        InvalidInputError: when it is one, but a necessary column is missing or there twice.
    """
    found: dict[str, dict[str, str]] = {}
    ignored: list[str] = []
    spelt: dict[str, str] = {}
    for column in columns:
        name = fold(column)
        if name in spelt and name in _FIELD_OF:
            raise InvalidInputError(
                f"an Azure cost export with the column {spelt[name]!r} twice (also {column!r})"
            )
        spelt[name] = column
        field = _FIELD_OF.get(name)
        if field is None:
            ignored.append(column)
        else:
            found.setdefault(field, {})[name] = column
    if len(_TELLTALES & spelt.keys()) < 2 or "billedcost" in spelt:
        return None
    missing = [
        names
        for field, names in _NECESSARY.items()
        if field not in found and not (field == "currency" and currency)
    ]
    if missing:
        raise InvalidInputError(f"an Azure cost export without the column {', '.join(missing)}")
    chosen = {
        field: tuple(names[name] for name in SPELLINGS[field] if name in names)
        for field, names in found.items()
    }
    return Variant(_agreement(spelt), chosen, tuple(ignored), currency, billing_account)


def fold(column: str) -> str:
    """A header's name without case, blanks and punctuation.

    Localised files say the English name behind their own: `Maßeinheit (UnitOfMeasure)`.
    """
    column = column.strip()
    english = _LOCALISED.search(column)
    if english is not None:
        column = english[1]
    return re.sub(r"[\W_]+", "", column).lower()


def _agreement(spelt: Mapping[str, str]) -> Agreement:
    if {"partnername", "partnertenantid", "customertenantid"} & spelt.keys():
        return "CSP"
    if {"exchangeratepricingtobilling", "pricingcurrency", "costinpricingcurrency"} & spelt.keys():
        return "MCA"
    if "pretaxcost" in spelt:
        return "usage only"
    if "extendedcost" in spelt:
        return "EA usage details"
    return "EA"
