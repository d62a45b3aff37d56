"""Writes the sample: `python -m oco_pipelines.ingestion.sample.generator [FOLDER]`.

Deterministic: fixed seed, fixed dates, no clock. A test holds that what ships is what this makes.
"""

import csv
import gzip
import io
import json
import random
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from oco_pipelines.ingestion.focus_columns import COLUMNS, COSTS
from oco_pipelines.ingestion.sample import FOLDER
from oco_pipelines.ingestion.sample.machines import (
    ACCOUNTS,
    CLOUDS,
    MACHINES,
    SERVICES,
    Cloud,
    Machine,
    Service,
)

SEED: Final = 20260901
MONTHS: Final = (datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))
RESTATED_DAY: Final = datetime(2026, 10, 17, tzinfo=UTC)
# A month of a savings plan, bought at once: 24 $ a day, of which 5/6 is used.
COMMITTED_A_DAY: Final = Decimal(24)
USED_A_DAY: Final = Decimal(20)
_CENTI: Final = Decimal("0.0001")
_NEW_IN_1_3: Final = {
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "ContractApplied",
    "ServiceProviderName",
    "HostProviderName",
}
HEADER: Final = [name for name in COLUMNS if name not in _NEW_IN_1_3]

Row = dict[str, str]


def deliveries() -> dict[str, bytes]:
    """{path below `deliveries`: content} of every file of both deliveries."""
    files: dict[str, bytes] = {}
    for provider, cloud in CLOUDS.items():
        for month in MONTHS:
            rows = month_of(cloud, month)
            name = f"{provider}/focus-{month:%Y-%m}"
            if provider == "gcp":
                files[f"1/{name}.parquet"] = _parquet(rows)
                continue
            files[f"1/{name}.csv.gz"] = _csv_gz(rows)
            if provider == "aws" and month.month == RESTATED_DAY.month:
                files[f"2/{name}.csv.gz"] = _csv_gz(restated(rows))
    return files


def month_of(cloud: Cloud, month: datetime) -> list[Row]:
    """Every charge of a cloud in a billing month."""
    # Not for secrets: the same seed must give the same bill.
    dice = random.Random(f"{SEED} {cloud.provider} {month:%Y-%m}")  # noqa: S311
    end = (month + timedelta(days=32)).replace(day=1)
    days = [month + timedelta(days=n) for n in range((end - month).days)]
    bill = _Bill(cloud, month, end)
    for day in days:
        # Weekends are quieter for what people use, not for what merely exists.
        load = Decimal("0.62") if day.weekday() >= 5 else Decimal(1)
        for machine in (m for m in MACHINES if m.provider == cloud.provider):
            bill.machine(day, machine)
        for service in (s for s in SERVICES if s.provider == cloud.provider):
            spread = Decimal(dice.randint(9000, 11000)) / 10000
            factor = load if service.follows_people else Decimal(1)
            bill.service(day, service, (service.daily_cost * factor * spread).quantize(_CENTI))
    if cloud.provider == "aws":
        bill.commitment(days)
    bill.month_end()
    return bill.rows


def restated(rows: Sequence[Row]) -> list[Row]:
    """The file as delivered again: on one day two rows changed, one is gone, one is new."""
    day = _instant(RESTATED_DAY)
    kept = list(rows)
    of_day = [n for n, row in enumerate(kept) if row["ChargePeriodStart"] == day and _plain(row)]
    for number, change in zip(of_day[:2], ("1.25", "0.8"), strict=True):
        cost = f"{(Decimal(kept[number]['BilledCost']) * Decimal(change)).quantize(_CENTI)}"
        kept[number] = {**kept[number], **dict.fromkeys(COSTS, cost)}
    late = {
        **kept[of_day[3]],
        **dict.fromkeys(COSTS, "18.4200"),
        "ChargeDescription": "Late usage record",
    }
    del kept[of_day[2]]
    return [*kept, late]


def _plain(row: Row) -> bool:
    return row["ChargeCategory"] == "Usage" and not row["CommitmentDiscountId"]


class _Bill:
    """Collects the charges of one cloud in one billing month."""

    def __init__(self, cloud: Cloud, start: datetime, end: datetime) -> None:
        self.rows: list[Row] = []
        self._cloud, self._start, self._end = cloud, start, end

    def machine(self, day: datetime, machine: Machine) -> None:
        cost = machine.hourly * 24
        sku = f"{machine.size}-hour"
        self._add(day, machine.account, "Compute", self._cloud.compute, cost, cost, cost,
            ResourceId=machine.resource_id, ResourceName=machine.name,
            ResourceType=machine.resource_type, RegionId=machine.region,
            RegionName=machine.region_name, SkuId=sku, SkuPriceId=f"{sku}-ondemand",
            ChargeDescription=f"{machine.size} on demand, per hour",
            ConsumedQuantity="24", ConsumedUnit="Hours", PricingQuantity="24", PricingUnit="Hours",
            ListUnitPrice=str(machine.hourly), ContractedUnitPrice=str(machine.hourly),
            Tags=json.dumps(dict(machine.tags)))  # fmt: skip

    def service(self, day: datetime, service: Service, cost: Decimal) -> None:
        quantity = cost / service.unit_price
        self._add(day, service.account, service.category, service.name, cost, cost, cost,
            ResourceId=service.resource_id, ResourceName=service.resource_name,
            ResourceType=service.resource_type, RegionId=service.region,
            RegionName=service.region_name, SkuId=service.sku, SkuPriceId=f"{service.sku}-ondemand",
            ChargeDescription=service.description, ConsumedQuantity=f"{quantity:.6f}",
            ConsumedUnit=service.unit, PricingQuantity=f"{quantity:.6f}", PricingUnit=service.unit,
            ListUnitPrice=str(service.unit_price), ContractedUnitPrice=str(service.unit_price),
            Tags=json.dumps(dict(service.tags)))  # fmt: skip

    def commitment(self, days: Sequence[datetime]) -> None:
        """The purchase, and each day of it as used and unused: Σ effective = billed purchase."""
        account, bought = ACCOUNTS["aws"][0].id, COMMITTED_A_DAY * len(days)
        plan: dict[str, str] = {
            "CommitmentDiscountId": f"sp-0sample{self._start:%Y%m}",
            "CommitmentDiscountName": "Compute savings plan",
            "CommitmentDiscountType": "Savings Plan",
            "CommitmentDiscountCategory": "Spend",
            "PricingCategory": "Committed",
            "SkuId": "compute-savings-plan",
            "SkuPriceId": "compute-savings-plan-allupfront",
            "RegionId": "us-east-1",
            "RegionName": "US East (N. Virginia)",
            "PricingUnit": "Hours",
        }
        self._add(self._start, account, "Compute", self._cloud.compute, bought, Decimal(0), bought,
            len(days),
            ChargeCategory="Purchase", ChargeFrequency="One-Time", PricingQuantity="1",
            ChargeDescription="Compute savings plan, paid upfront",
            Tags='{"team": "platform", "env": "prod"}', **plan)  # fmt: skip
        for day in days:
            for status, cost, listed in (
                ("Used", USED_A_DAY, USED_A_DAY * Decimal("1.4")),
                ("Unused", COMMITTED_A_DAY - USED_A_DAY, Decimal(0)),
            ):
                self._add(day, account, "Compute", self._cloud.compute, Decimal(0), cost, listed,
                    CommitmentDiscountStatus=status, PricingQuantity="24",
                    ResourceId="i-0planned0worker1" if status == "Used" else plan[
                        "CommitmentDiscountId"], ResourceType="instance",
                    CommitmentDiscountQuantity=str(cost), CommitmentDiscountUnit="USD",
                    ChargeDescription=f"Compute savings plan, {status.lower()}",
                    Tags='{"team": "platform", "env": "prod", "app": "batch"}', **plan)  # fmt: skip

    def month_end(self) -> None:
        """Credit, refund and tax of the month, on its last day."""
        day, account = self._end - timedelta(days=1), ACCOUNTS[self._cloud.provider][0].id
        support, tags = self._cloud.support, '{"team": "platform"}'
        usage = sum((Decimal(row["BilledCost"]) for row in self.rows), Decimal(0))
        credit = -(usage / 50).quantize(_CENTI)
        tax = (usage * Decimal("0.02")).quantize(_CENTI)
        for category, cost, text, charge_class in (
            ("Credit", credit, "Promotional credit", ""),
            ("Usage", Decimal("-12.3400"), "Refund of a disputed charge", "Correction"),
            ("Tax", tax, "Sales tax", ""),
        ):
            self._add(day, account, "Other", support, cost, cost, cost, ChargeCategory=category,
                ChargeClass=charge_class, ChargeFrequency="One-Time", ChargeDescription=text,
                PricingCategory="", Tags=tags)  # fmt: skip

    def _add(self, day: datetime, account: str, category: str, service: str, billed: Decimal,
        effective: Decimal, listed: Decimal, days: int = 1, /, **more: str,
    ) -> None:  # fmt: skip
        cloud = self._cloud
        names = {entry.id: entry.name for entry in ACCOUNTS[cloud.provider]}
        values = {
            "BilledCost": billed,
            "EffectiveCost": effective,
            "ListCost": listed,
            "ContractedCost": listed if more.get("CommitmentDiscountStatus") else billed,
        }
        row = dict.fromkeys(HEADER, "") | {
            "BillingAccountId": cloud.billing_account,
            "BillingAccountName": "Example Industries",
            "BillingCurrency": "USD",
            "BillingPeriodStart": _instant(self._start),
            "BillingPeriodEnd": _instant(self._end),
            "ChargePeriodStart": _instant(day),
            "ChargePeriodEnd": _instant(day + timedelta(days=days)),
            "ChargeCategory": "Usage",
            "ChargeFrequency": "Usage-Based",
            "InvoiceIssuerName": cloud.company,
            "InvoiceId": f"{cloud.provider.upper()}-{self._start:%Y%m}",
            "ProviderName": cloud.name,
            "PublisherName": cloud.company,
            "PricingCategory": "Standard",
            "ServiceCategory": category,
            "ServiceName": service,
            "SubAccountId": account,
            "SubAccountName": names[account],
        }
        self.rows.append(row | {name: f"{cost:.4f}" for name, cost in values.items()} | more)


def metrics() -> Iterator[list[str]]:
    """Rows of metrics.csv: CPU and network of each machine, each of the last 30 days."""
    dice = random.Random(SEED)  # noqa: S311
    last = datetime(2026, 11, 1, tzinfo=UTC)
    for machine in MACHINES:
        for back in range(30, 0, -1):
            start = (last - timedelta(days=back)).isoformat()
            for metric, idle, busy in (
                ("cpu_percent", (90, 160), (3200, 6800)),
                ("network_bytes_per_second", (8000, 21000), (40_000_000, 90_000_000)),
            ):
                low, high = idle if machine.idle else busy
                average = Decimal(dice.randint(low, high)) / 100
                peak = min(average * 2, Decimal(100)) if metric == "cpu_percent" else average * 2
                yield [machine.provider, machine.account, machine.resource_id, metric, start,
                    "86400", str(average), str(peak), str((average + peak) / 2), "288"]  # fmt: skip


def resources() -> Iterator[list[str]]:
    """Rows of resources.csv."""
    kinds = {"aws": "aws.ec2", "azure": "azure.vm", "gcp": "gcp.instance"}
    for machine in MACHINES:
        yield [machine.provider, machine.account, machine.resource_id, kinds[machine.provider],
            machine.name, machine.region, "running", machine.size,
            json.dumps(dict(machine.tags))]  # fmt: skip


METRIC_HEADER: Final = ["provider", "account_id", "resource_id", "metric", "interval_start",
    "interval_seconds", "average", "maximum", "p99", "sample_count"]  # fmt: skip
RESOURCE_HEADER: Final = ["provider", "account_id", "resource_id", "resource_type",
    "resource_name", "region", "state", "size", "tags"]  # fmt: skip


def write(folder: Path) -> None:
    """Write everything that ships below a folder."""
    for name, content in deliveries().items():
        path = folder / "deliveries" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "metrics.csv").write_bytes(_csv(METRIC_HEADER, metrics()))
    (folder / "resources.csv").write_bytes(_csv(RESOURCE_HEADER, resources()))


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _csv(header: Sequence[str], rows: Iterator[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _csv_gz(rows: Sequence[Row]) -> bytes:
    content = _csv(HEADER, ([row[name] for name in HEADER] for row in rows))
    return gzip.compress(content, mtime=0)


def _parquet(rows: Sequence[Row]) -> bytes:
    """Texts as they are in CSV: digits stay as the bill has them."""
    import polars as pl

    frame = pl.DataFrame(
        {name: [row[name] or None for row in rows] for name in HEADER},
        schema=dict.fromkeys(HEADER, pl.String),
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
