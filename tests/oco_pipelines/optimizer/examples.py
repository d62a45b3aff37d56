"""The worked examples of docs/recommendations.md: one world a rule, in the order of the page."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import polars as pl

from oco_pipelines.optimizer import groups as group_shapes
from oco_pipelines.optimizer.groups import Groups, Spend
from oco_pipelines.optimizer.judge import judge
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.commitment import commitment
from oco_pipelines.optimizer.rules.spot_instance import spot_instance
from oco_pipelines.optimizer.thresholds import Commitment, Spot, Thresholds
from tests.oco_pipelines.optimizer.world import GIB, World, ago

DAY: Final = 86_400
CPU, NETWORK, MEMORY = "cpu_percent", "network_bytes_per_second", "memory_percent"
# Monday to Friday, 8 to 18 o'clock.
OFFICE: Final = frozenset(24 * day + hour for day in range(5) for hour in range(8, 18))


def worlds() -> Mapping[str, World]:
    """One world for each rule that judges single resources."""
    return {
        "idle_instance": World()
        .resource("aws.ec2", state="running")
        .metric(CPU, [1.0] * 336)
        .metric(NETWORK, [100.0] * 336)
        .cost("10.50"),
        "stopped_instance": World()
        .resource("aws.ec2", state="stopped", stopped_since=ago(10), part_ids=["vol-1", "vol-2"])
        .cost("0.80", "vol-1")
        .cost("0.20", "vol-2"),
        "unattached_volume": World()
        .resource("aws.ebs", attached=False, unattached_since=ago(5))
        .cost("0.25"),
        "idle_load_balancer": World()
        .resource("aws.app-elb", state="active")
        .metric("requests", [2.0] * 168, window_days=7)
        .cost("0.60"),
        "idle_nat_gateway": World()
        .resource("aws.nat-gateway", state="available")
        .metric("bytes_out", [10_000.0] * 168, window_days=7)
        .cost("1.08"),
        "unused_address": World()
        .resource("aws.network-addr", attached=False, unattached_since=ago(28))
        .cost("0.12"),
        "old_snapshot": World()
        .resource("aws.ebs-snapshot", source_exists=False, created_at=ago(74))
        .cost("0.10"),
        "obsolete_image": World()
        .resource("aws.ami", in_use=False, created_at=ago(194), part_ids=["snap-1"])
        .cost("0.20", "snap-1"),
        "idle_database": World()
        .resource("aws.rds", state="available")
        .metric("connections", [0.0] * 168, window_days=7)
        .cost("4.10"),
        "rightsize_instance": World()
        .resource("aws.ec2", state="running", size="m5.4xlarge")
        .metric(CPU, [30.0] * 336)
        .metric(MEMORY, [35.0] * 336)
        .hourly("0.768")
        .price("m5.2xlarge", "0.384"),
        "previous_generation": World()
        .resource("aws.ec2", state="running", size="c4.large")
        .hourly("0.100")
        .price("c5.large", "0.085"),
        "storage_class": World()
        .resource("aws.s3")
        .metric("stored_bytes_standard", [1000.0 * GIB] * 14, seconds=DAY)
        .metric("get_requests", [5.0] * 14, seconds=DAY)
        .cost("0.75", storage_usd=Decimal("10.50")),
        "off_hours": World()
        .resource("aws.ec2", state="running", size="c5.large")
        .metric(CPU, [60.0] * 336)
        .hours_of_week(CPU, {hour: 60.0 if hour in OFFICE else 2.0 for hour in range(168)})
        .hours_of_week(NETWORK, {hour: 9000.0 if hour in OFFICE else 100.0 for hour in range(168)})
        .hourly("0.085"),
    }


def group(count: int = 20, hours: int = 3, **values: object) -> Groups:
    """Machines of one autoscaling group, at 0.10 USD an hour."""
    rows = [
        {
            "provider": "aws",
            "account_id": "111",
            "resource_id": f"i-{place}",
            "autoscaling_group": "render",
            "resource_type": "aws.ec2",
            "region": "us-east-1",
            "size": "c5.large",
            "interruptible": False,
            "hours": Decimal(hours),
            "hourly_usd": Decimal(hours) / 10,
            "monthly_usd": Decimal(15),
            **values,
        }
        for place in range(count)
    ]
    prices = [
        {
            "provider": "aws",
            "region": "us-east-1",
            "size": "c5.large",
            "spot_rate": Decimal("0.038"),
        }
    ]
    return Groups(
        pl.DataFrame(rows, schema=group_shapes.MEMBERS),
        pl.DataFrame(prices, schema=group_shapes.SPOT_PRICES),
    )


def spend(days: int = 90, end: datetime = datetime(2026, 11, 1, tzinfo=UTC)) -> Spend:
    """1 dollar an hour always, and another one from midnight to noon."""
    start = end - timedelta(days=days)
    rows = [
        {
            "provider": "aws",
            "billing_account_id": "999",
            "service": "EC2",
            "region": "us-east-1",
            "start": start + timedelta(hours=hour),
            "hours": 1,
            "usd": Decimal(2 if hour % 24 < 12 else 1),
        }
        for hour in range(24 * days)
    ]
    return Spend(
        pl.DataFrame(rows, schema=group_shapes.HISTORY),
        pl.DataFrame(schema=group_shapes.DISCOUNTS),
        {"aws": end},
    )


def examples() -> dict[str, Recommendation]:
    """What each rule says of its example."""
    found = {}
    for rule, world in worlds().items():
        (found[rule],) = judge(world.frames(), Thresholds())
    (found["spot_instance"],) = spot_instance(group(), Spot())
    (found["commitment"],) = commitment(spend(), Commitment())
    return found
