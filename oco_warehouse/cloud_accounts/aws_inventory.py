"""The options of an account of kind inventory of AWS. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from oco_warehouse.cloud_accounts.account import INVENTORY, Account, KindRules, no_money
from oco_warehouse.cloud_accounts.aws_options import (
    ACCESS_OPTIONS,
    AwsAccess,
    parse_access,
    refuse_unknown_options,
)
from oco_warehouse.cloud_accounts.counts import count_option
from oco_warehouse.errors import InvalidInputError

OPTIONS: Final = (*ACCESS_OPTIONS, "regions", "kinds", "metrics", "metric_days", "metric_requests")
KINDS: Final = (
    *("aws.ec2", "aws.ebs", "aws.ami", "aws.ebs-snapshot", "aws.network-addr", "aws.elb"),
    *("aws.app-elb", "aws.nat-gateway", "aws.rds", "aws.rds-snapshot", "aws.s3", "aws.lambda"),
    "aws.cache-cluster",
)
METRIC_DAYS: Final = 14
# CloudWatch keeps hours for 455 days.
_MOST_DAYS: Final = 455
METRIC_REQUESTS: Final = 1_000
_MOST_REQUESTS: Final = 100_000
# Of a metric with one statistic that GetMetricData is asked for.
PRICE_USD: Final = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class AwsInventoryOptions:
    """What is listed.

    Attributes:
        access: how AWS is reached.
        regions: that are listed; none means every region that the account has enabled.
        kinds: of resources.
        metrics: whether their utilisation is read.
        metric_days: how far back the first time.
        metric_requests: so many requests to CloudWatch a run at most; what is left comes next time.
    """

    access: AwsAccess
    regions: tuple[str, ...]
    kinds: tuple[str, ...]
    metrics: bool
    metric_days: int
    metric_requests: int


def parse_inventory(account: Account) -> AwsInventoryOptions:
    """The options of an account of kind inventory.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    refuse_unknown_options(account, OPTIONS)
    access = parse_access(account)
    where, options = f"account {account.name}: options", account.options
    regions = options.get("regions", [access.region])
    if regions == "all":
        regions = []
    elif not _texts(regions) or not regions:
        raise InvalidInputError(
            f'{where}.regions must be a list of regions, as in ["us-east-1"], or all'
        )
    kinds = options.get("kinds", list(KINDS))
    if not _texts(kinds) or not kinds:
        raise InvalidInputError(f"{where}.kinds must be a list of kinds of resources")
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidInputError(
                f"{where}.kinds: {kind} is unknown; known are {', '.join(KINDS)}"
            )
    metrics = options.get("metrics", True)
    if not isinstance(metrics, bool):
        raise InvalidInputError(f"{where}.metrics must be true or false")
    return AwsInventoryOptions(
        access,
        tuple(dict.fromkeys(regions)),
        # In the order in which one kind's listing tells what another's resources are used by.
        tuple(kind for kind in KINDS if kind in kinds),
        metrics,
        count_option(where, options, "metric_days", METRIC_DAYS, _MOST_DAYS),
        count_option(where, options, "metric_requests", METRIC_REQUESTS, _MOST_REQUESTS),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


RULES: Final = KindRules("aws", INVENTORY, parse_inventory, no_money)
