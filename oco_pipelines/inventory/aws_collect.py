"""One run over an AWS account: every kind in every region, then the metrics of what was found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from oco_pipelines.inventory import (
    aws_address,
    aws_ami,
    aws_app_elb,
    aws_cache,
    aws_ebs,
    aws_ec2,
    aws_elb,
    aws_lambda,
    aws_nat,
    aws_rds,
    aws_s3,
    aws_snapshot,
)
from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_cloudwatch import MetricsRead, read_metrics
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.collecting import (
    Collected,
    Say,
    keep,
    keep_metrics,
    list_kind,
    metrics_listing,
)
from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.store import forget_other_listings
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import AwsInventoryOptions, parse_inventory
from oco_warehouse.database import Warehouse

Lister = Callable[[Aws, Place], Iterator[FoundResource]]
LISTERS: Final[Mapping[str, Lister]] = {
    aws_ec2.KIND: aws_ec2.instances,
    aws_ebs.KIND: aws_ebs.volumes,
    aws_ami.KIND: aws_ami.images,
    aws_snapshot.KIND: aws_snapshot.snapshots,
    aws_address.KIND: aws_address.addresses,
    aws_elb.KIND: aws_elb.classic_load_balancers,
    aws_app_elb.KIND: aws_app_elb.load_balancers,
    aws_nat.KIND: aws_nat.nat_gateways,
    aws_rds.KIND: aws_rds.databases,
    aws_rds.SNAPSHOT_KIND: aws_rds.database_snapshots,
    aws_s3.KIND: aws_s3.buckets,
    aws_lambda.KIND: aws_lambda.functions,
    aws_cache.KIND: aws_cache.caches,
}
# Listed once, not in every region.
GLOBAL: Final = frozenset({aws_s3.KIND})


@dataclass(slots=True)
class AwsCollected:
    """What a run did.

    Attributes:
        collected: its listings.
        metrics: what was read of metrics.
        requests: that were sent to AWS, tries again included.
        regions: that were listed.
    """

    collected: Collected
    metrics: MetricsRead = field(default_factory=MetricsRead)
    requests: int = 0
    regions: tuple[str, ...] = ()


def collect(
    warehouse: Warehouse,
    account: Account,
    *,
    aws: Aws | None = None,
    now: datetime | None = None,
    say: Say = lambda _: None,
) -> AwsCollected:
    """List what an account has, and read how busy it was.

    What is denied or fails is told and kept with its listing; the rest still runs.

    Args:
        warehouse: migrated.
        account: of kind inventory.
        aws: instead of a new connection.
        now: instead of the clock.
        say: told of every problem.

    Raises:
        ConfigurationError: when there are no credentials, or those of another account.
        OpenCloudOpsError: when AWS as a whole does not answer.
    """
    options = parse_inventory(account)
    aws = aws or Aws(account, options.access)
    aws.identity()
    done = AwsCollected(Collected(account.name, "aws"))
    done.regions = options.regions or enabled_regions(aws)
    found = _list_all(warehouse, aws, options, done, say)
    if options.metrics:
        moment = now or datetime.now(UTC)
        for region, resources in sorted(found.items()):
            _read_metrics(warehouse, aws, region, resources, options, moment, done, say)
    forget_other_listings(warehouse, account.name, done.collected.places)
    done.requests = aws.requests.sent
    return done


def enabled_regions(aws: Aws) -> tuple[str, ...]:
    """The regions that the account has enabled."""
    answer = aws.ask("ec2", aws.home, "describe_regions", AllRegions=False)
    return tuple(sorted(one["RegionName"] for one in answer["Regions"]))


def _list_all(
    warehouse: Warehouse, aws: Aws, options: AwsInventoryOptions, done: AwsCollected, say: Say
) -> dict[str, list[FoundResource]]:
    """Every kind in every region; {region: resources}."""
    found: dict[str, list[FoundResource]] = {}
    for kind in options.kinds:
        if kind in GLOBAL:
            place = Place(aws.account_id, aws.home)
            for one in _list(warehouse, aws, place, kind, "", done, say):
                found.setdefault(one.region or aws.home, []).append(one)
    for region in done.regions:
        place = Place(aws.account_id, region)
        for kind in options.kinds:
            if kind not in GLOBAL:
                resources = _list(warehouse, aws, place, kind, region, done, say)
                found.setdefault(region, []).extend(resources)
    return found


def _list(
    warehouse: Warehouse,
    aws: Aws,
    place: Place,
    kind: str,
    region: str,
    done: AwsCollected,
    say: Say,
) -> list[FoundResource]:
    aws.lacking.clear()
    listing = list_kind(
        done.collected,
        aws.account_id,
        region,
        kind,
        LISTERS[kind](aws, place),
        lambda: list(aws.lacking),
    )
    if listing.is_whole:
        place.listed[kind] = listing.found
    keep(warehouse, done.collected, listing, say)
    return list(listing.found)


def _read_metrics(
    warehouse: Warehouse,
    aws: Aws,
    region: str,
    resources: list[FoundResource],
    options: AwsInventoryOptions,
    now: datetime,
    done: AwsCollected,
    say: Say,
) -> None:
    def read() -> None:
        read_metrics(
            warehouse,
            aws,
            region,
            resources,
            now=now,
            days=options.metric_days,
            most_requests=options.metric_requests,
            done=done.metrics,
        )

    aws.lacking.clear()
    listing = metrics_listing(
        done.collected, aws.account_id, region, read, lambda: list(aws.lacking)
    )
    keep_metrics(warehouse, done.collected, listing, say)
