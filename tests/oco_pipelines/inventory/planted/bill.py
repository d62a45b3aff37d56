"""The bill of a planted cloud: a FOCUS file of some days, a line a resource and day."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.conftest import Charge, as_csv, charge
from tests.oco_pipelines.inventory.planted.cloud import ACCOUNT, REGION, PlantedCloud
from tests.oco_pipelines.inventory.planted.plan import BILLED_DAYS, Planted

# {kind: (service, category, unit)}; what is billed by the hour is so for all of its hours.
_SERVICES: Final = {
    "aws.ec2": ("Amazon Elastic Compute Cloud", "Compute", "Hrs"),
    "aws.ebs": ("Amazon Elastic Block Store", "Storage", "GB-Mo"),
    "aws.ebs-snapshot": ("Amazon Elastic Block Store", "Storage", "GB-Mo"),
    "aws.ami": ("Amazon Elastic Block Store", "Storage", "GB-Mo"),
    "aws.network-addr": ("Amazon Virtual Private Cloud", "Networking", "Hrs"),
    "aws.app-elb": ("Elastic Load Balancing", "Networking", "Hrs"),
    "aws.elb": ("Elastic Load Balancing", "Networking", "Hrs"),
    "aws.nat-gateway": ("Amazon Virtual Private Cloud", "Networking", "Hrs"),
    "aws.rds": ("Amazon Relational Database Service", "Databases", "Hrs"),
    "aws.cache-cluster": ("Amazon ElastiCache", "Databases", "Hrs"),
    "aws.s3": ("Amazon Simple Storage Service", "Storage", "GB-Mo"),
    "aws.lambda": ("AWS Lambda", "Compute", "Requests"),
}


def load_bill(warehouse: Warehouse, made: PlantedCloud, now: datetime, folder: Path) -> int:
    """Load the bill through the repository's own loader; returns how many lines it has."""
    path = folder / "planted.csv"
    path.write_bytes(as_csv(*lines(made, now)))
    result = load_focus_file(warehouse, "planted.csv", path)
    assert result.rejected == 0
    return result.accepted


def lines(made: PlantedCloud, now: datetime) -> Iterator[Charge]:
    """A line for each billed resource and each of the days before today."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for days in range(BILLED_DAYS, 0, -1):
        day = today - timedelta(days=days)
        for identifier, one in sorted(made.billed.items()):
            yield _line(identifier, one, day)


def _line(identifier: str, one: Planted, day: datetime) -> Charge:
    disk = one.profile in {"stopped", "just-stopped"}
    service, category, unit = _SERVICES["aws.ebs" if disk else one.kind]
    month = day.replace(day=1)
    after = (month + timedelta(days=32)).replace(day=1)
    amount = str(one.daily_usd)
    return charge(
        ResourceId=identifier, SubAccountId=ACCOUNT, RegionId=REGION, ServiceName=service,
        ServiceCategory=category, ConsumedUnit=unit, ConsumedQuantity="24", Tags="{}",
        ChargePeriodStart=_text(day), ChargePeriodEnd=_text(day + timedelta(days=1)),
        BillingPeriodStart=_text(month), BillingPeriodEnd=_text(after),
        BilledCost=amount, EffectiveCost=amount, ListCost=amount, ContractedCost=amount,
        PricingCategory="Standard",
    )  # fmt: skip


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
