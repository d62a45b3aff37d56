"""A charge of a resource, loaded as any bill is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.conftest import as_csv, charge


def load_charge(
    warehouse: Warehouse, folder: Path, provider: str, account_id: str, resource_id: str
) -> None:
    """A charge of yesterday, under an identifier as a bill has it."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = today - timedelta(days=1)
    month = day.replace(day=1)
    after = (month + timedelta(days=32)).replace(day=1)
    path = folder / "bill.csv"
    path.write_bytes(
        as_csv(
            charge(
                ProviderName=provider, SubAccountId=account_id, ResourceId=resource_id,
                ChargePeriodStart=f"{day:%Y-%m-%dT00:00:00Z}",
                ChargePeriodEnd=f"{today:%Y-%m-%dT00:00:00Z}",
                BillingPeriodStart=f"{month:%Y-%m-%dT00:00:00Z}",
                BillingPeriodEnd=f"{after:%Y-%m-%dT00:00:00Z}",
            )
        )
    )  # fmt: skip
    load_focus_file(warehouse, "bill.csv", path)
