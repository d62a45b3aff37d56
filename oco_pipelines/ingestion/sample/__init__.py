"""Billing data that ships with the platform: invented, generated from a fixed seed.

Two deliveries of three clouds over September and October 2026. The second restates one day of one
AWS file. Belongs here: the files, their generator, and inventory and metrics that fit them. Does
not belong here: anybody's real bill.
"""

import csv
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from oco_warehouse.errors import NotFoundError

FOLDER: Final = Path(__file__).parent
DELIVERIES: Final = FOLDER / "deliveries"


@dataclass(frozen=True, slots=True)
class SampleResource:
    """One row of `oco.resources`."""

    provider: str
    account_id: str
    resource_id: str
    resource_type: str
    resource_name: str
    region: str
    state: str
    size: str
    tags: Mapping[str, str]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SampleMetric:
    """One row of `oco.resource_metrics`; amounts are in the unit that the metric's name says."""

    provider: str
    account_id: str
    resource_id: str
    metric: str
    interval_start: datetime
    interval_seconds: int
    average: Decimal
    maximum: Decimal
    p99: Decimal
    sample_count: int
    source: str


def install(destination: Path, delivery: int) -> list[Path]:
    """Copy a delivery over what lies in `destination`; files that are alike are left alone.

    Returns the files that were written.

    Raises:
        NotFoundError: when there is no such delivery.
    """
    origin = DELIVERIES / str(delivery)
    if not origin.is_dir():
        raise NotFoundError(f"the sample has no delivery {delivery}")
    written = []
    for file in sorted(path for path in origin.rglob("*") if path.is_file()):
        target = destination / file.relative_to(origin)
        if target.is_file() and target.read_bytes() == file.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside it first: a watcher of the folder never sees half a file.
        shutil.copyfile(file, target.with_name(f".{target.name}.part"))
        target.with_name(f".{target.name}.part").replace(target)
        written.append(target)
    return written


def read_resources() -> list[SampleResource]:
    """The machines of the sample, with the ids that are on its bills."""
    return [
        SampleResource(
            provider=row["provider"],
            account_id=row["account_id"],
            resource_id=row["resource_id"],
            resource_type=row["resource_type"],
            resource_name=row["resource_name"],
            region=row["region"],
            state=row["state"],
            size=row["size"],
            tags=json.loads(row["tags"]),
            attributes={},
        )
        for row in _rows("resources.csv")
    ]


def read_metrics() -> list[SampleMetric]:
    """CPU and network of each machine, one interval a day, over the last 30 days of the sample."""
    return [
        SampleMetric(
            provider=row["provider"],
            account_id=row["account_id"],
            resource_id=row["resource_id"],
            metric=row["metric"],
            interval_start=datetime.fromisoformat(row["interval_start"]),
            interval_seconds=int(row["interval_seconds"]),
            average=Decimal(row["average"]),
            maximum=Decimal(row["maximum"]),
            p99=Decimal(row["p99"]),
            sample_count=int(row["sample_count"]),
            source="sample",
        )
        for row in _rows("metrics.csv")
    ]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
