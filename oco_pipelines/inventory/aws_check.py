"""What listing an AWS account needs, and the policy that grants it."""

import json
from typing import Final

from oco_pipelines.ingestion.aws_checks import check_identity
from oco_pipelines.ingestion.source_kinds import Finding
from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_collect import GLOBAL, LISTERS, enabled_regions
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import AwsInventoryOptions
from oco_warehouse.errors import OpenCloudOpsError

# What each kind asks; aws_access says how IAM calls it. A test holds them to what is sent.
PERMISSIONS: Final = {
    "aws.ec2": ("ec2:DescribeInstances", "ec2:DescribeInstanceTypes"),
    "aws.ebs": ("ec2:DescribeVolumes",),
    "aws.ami": (
        *("ec2:DescribeImages", "ec2:DescribeLaunchTemplates"),
        "ec2:DescribeLaunchTemplateVersions",
    ),
    "aws.ebs-snapshot": ("ec2:DescribeSnapshots",),
    "aws.network-addr": ("ec2:DescribeAddresses",),
    "aws.elb": (
        *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags"),
        "elasticloadbalancing:DescribeInstanceHealth",
    ),
    "aws.app-elb": (
        *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags"),
        *("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
    ),
    "aws.nat-gateway": ("ec2:DescribeNatGateways",),
    "aws.rds": ("rds:DescribeDBInstances", "ec2:DescribeInstanceTypes"),
    "aws.rds-snapshot": ("rds:DescribeDBSnapshots",),
    "aws.s3": (
        *("s3:ListAllMyBuckets", "s3:GetBucketLocation", "s3:GetBucketTagging"),
        *("s3:GetEncryptionConfiguration", "s3:GetBucketPublicAccessBlock"),
        *("s3:GetBucketPolicyStatus", "s3:GetLifecycleConfiguration"),
    ),
    "aws.lambda": ("lambda:ListFunctions", "tag:GetResources"),
    "aws.cache-cluster": ("elasticache:DescribeCacheClusters", "tag:GetResources"),
}
METRIC_PERMISSIONS: Final = ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics")
REGION_PERMISSION: Final = "ec2:DescribeRegions"
# Somebody waits for the answer: this many resources of a kind show that it can be listed.
_ENOUGH: Final = 3


def check_inventory(account: Account, options: AwsInventoryOptions) -> list[Finding]:
    """Credentials, then every kind in the first region, and a question to CloudWatch."""
    identity = check_identity(account, options.access)
    if not identity.ok:
        return [identity]
    aws = Aws(account, options.access)
    try:
        aws.identity()
        regions = options.regions or enabled_regions(aws)
    except MissingPermission as denied:
        return [identity, _missing("list the regions", denied, options)]
    except OpenCloudOpsError as error:
        return [identity, Finding("find the account", ok=False, detail=str(error))]
    place = Place(aws.account_id, regions[0])
    found = [_try(aws, place, kind, options) for kind in options.kinds]
    if options.metrics:
        found.append(_try_metrics(aws, place.region, options))
    return [identity, *found]


def inventory_policy(options: AwsInventoryOptions) -> str:
    """The IAM policy that an account needs, as JSON."""
    actions = {action for kind in options.kinds for action in PERMISSIONS[kind]}
    if options.metrics:
        actions |= set(METRIC_PERMISSIONS)
    if not options.regions:
        actions.add(REGION_PERMISSION)
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


def _try(aws: Aws, place: Place, kind: str, options: AwsInventoryOptions) -> Finding:
    where = "all regions" if kind in GLOBAL else place.region
    what = f"list {kind} in {where}"
    aws.lacking.clear()
    count = 0
    try:
        for _ in LISTERS[kind](aws, place):
            count += 1
            if count == _ENOUGH:
                break
    except MissingPermission as denied:
        return _missing(what, denied, options)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    if aws.lacking:
        names = ", ".join(aws.lacking)
        return Finding(what, ok=False, detail=f"details need {names}", remedy=_remedy(options))
    seen = f"{count} or more are there" if count == _ENOUGH else f"{count} are there"
    return Finding(what, ok=True, detail=seen)


def _try_metrics(aws: Aws, region: str, options: AwsInventoryOptions) -> Finding:
    from datetime import UTC, datetime, timedelta

    what, now = f"read metrics in {region}", datetime.now(UTC)
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": []}
    query = {"Id": "q0", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Average"}}
    try:
        aws.ask("cloudwatch", region, "list_metrics", Namespace="CWAgent")
        aws.ask(
            "cloudwatch",
            region,
            "get_metric_data",
            MetricDataQueries=[query],
            StartTime=now - timedelta(hours=2),
            EndTime=now,
        )
    except MissingPermission as denied:
        return _missing(what, denied, options)
    except OpenCloudOpsError as error:
        return Finding(what, ok=False, detail=str(error))
    return Finding(what, ok=True, detail="CloudWatch answers (a thousandth of a cent)")


def _missing(what: str, denied: MissingPermission, options: AwsInventoryOptions) -> Finding:
    detail = f"{denied.permission} is missing: {denied}"
    return Finding(what, ok=False, detail=detail, remedy=_remedy(options))


def _remedy(options: AwsInventoryOptions) -> str:
    return f"attach this policy to the identity above:\n{inventory_policy(options)}"
