"""What Azure's words mean in FOCUS: types of charge, ways of pricing, services, regions. Data."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class ChargeType:
    """What FOCUS calls a type of charge."""

    category: str
    charge_class: str | None = None
    is_unused: bool = False


# Keys are written without case and blanks.
CHARGE_TYPES: Final = {
    "usage": ChargeType("Usage"),
    "purchase": ChargeType("Purchase"),
    "refund": ChargeType("Purchase", charge_class="Correction"),
    "tax": ChargeType("Tax"),
    "credit": ChargeType("Credit"),
    "adjustment": ChargeType("Adjustment"),
    "roundingadjustment": ChargeType("Adjustment"),
    "unusedreservation": ChargeType("Usage", is_unused=True),
    "unusedsavingsplan": ChargeType("Usage", is_unused=True),
}
# Its money counts, and the description says the word: nothing is lost, nothing pretended.
UNKNOWN_CHARGE_TYPE: Final = ChargeType("Adjustment")
# The older files have usage only, and no column for it.
DEFAULT_CHARGE_TYPE: Final = "usage"

PRICING_CATEGORIES: Final = {
    "ondemand": "Standard",
    "reservation": "Committed",
    "reservations": "Committed",
    "savingsplan": "Committed",
    "savingsplans": "Committed",
    "spot": "Dynamic",
}
FREQUENCIES: Final = {
    "onetime": "One-Time",
    "recurring": "Recurring",
    "usagebased": "Usage-Based",
}
# {type of commitment: its category}
COMMITMENTS: Final = {"Reservation": "Usage", "Savings Plan": "Spend"}
# What stands where Azure has nothing to say.
PLACEHOLDERS: Final = ("unassigned", "not applicable", "others", "n/a", "none", "unknown", "null")

# Names of regions as bills say them; all others are their own id without blanks.
REGIONS: Final = {
    "useast": "eastus",
    "useast2": "eastus2",
    "uswest": "westus",
    "uswest2": "westus2",
    "uswest3": "westus3",
    "uscentral": "centralus",
    "usnorthcentral": "northcentralus",
    "ussouthcentral": "southcentralus",
    "uswestcentral": "westcentralus",
    "eunorth": "northeurope",
    "euwest": "westeurope",
    "apeast": "eastasia",
    "apsoutheast": "southeastasia",
    "jaeast": "japaneast",
    "jawest": "japanwest",
    "aueast": "australiaeast",
    "ausoutheast": "australiasoutheast",
    "cacentral": "canadacentral",
    "caeast": "canadaeast",
    "brsouth": "brazilsouth",
    "krcentral": "koreacentral",
    "decwest": "germanywestcentral",
    "dewestcentral": "germanywestcentral",
    "frcentral": "francecentral",
    "chnorth": "switzerlandnorth",
    "incentral": "centralindia",
    "allregions": "global",
    "intercontinental": "global",
}


@cache
def service_categories() -> dict[str, str]:
    """{meter category or service family, in lower case: ServiceCategory of FOCUS}."""
    text = (files("oco_pipelines.ingestion") / "azure_services.csv").read_text("utf-8")
    return {row["service"].lower(): row["category"] for row in csv.DictReader(text.splitlines())}
