"""A run over an AWS account: what comes, what goes, what is denied, and what it costs."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
import requests
from moto.iam.access_control import IAMRequestBase

from oco_pipelines.ingestion.source_kinds import kind_of
from oco_pipelines.inventory import checks
from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_check import PERMISSIONS, inventory_policy
from oco_pipelines.inventory.aws_collect import LISTERS, AwsCollected, collect
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import KINDS, parse_inventory
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConfigurationError
from tests.oco_pipelines.inventory.cloudwatch import CloudWatch, Interval, hours
from tests.oco_pipelines.inventory.conftest import REGION

Client = Callable[..., Any]
Accounts = Callable[..., Account]
Connect = Callable[..., Aws]
NOW = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
LAST_HOUR = NOW.replace(hour=11, minute=0, second=0)
EC2 = ["aws.ec2"]


@pytest.fixture
def run(
    warehouse: Warehouse, account: Accounts, connect: Connect, cloudwatch: CloudWatch
) -> Callable[..., AwsCollected]:
    def once(now: datetime = NOW, **options: Any) -> AwsCollected:
        one = account(**options)
        return collect(warehouse, one, aws=connect(one), now=now)

    return once


def run_instances(client: Client, count: int = 1, region: str = REGION) -> list[str]:
    made = client("ec2", region).run_instances(
        ImageId="ami-0aaaaaaaaaaaaaaaa", MinCount=count, MaxCount=count, InstanceType="m5.large"
    )
    return [one["InstanceId"] for one in made["Instances"]]


def cpu(cloudwatch: CloudWatch, instance: str, values: list[float | None], last: datetime) -> None:
    """Hours of CPUUtilization, the last of which ends at `last`."""
    cloudwatch.plant(
        REGION, "AWS/EC2", "CPUUtilization", {"InstanceId": instance},
        hours(
            last - timedelta(hours=len(values)),
            [value if value is None else Interval(value * 12, value / 2, value * 2, 12, value * 1.5)
             for value in values],
        ),
    )  # fmt: skip


def alive(warehouse: Warehouse) -> set[str]:
    rows = warehouse.query("SELECT resource_id FROM oco.resources WHERE deleted_at IS NULL")
    return {row["resource_id"] for row in rows}


def listing(warehouse: Warehouse, kind: str, region: str = REGION) -> dict[str, Any]:
    (row,) = warehouse.query(
        "SELECT * FROM oco.inventory_listings WHERE resource_type = %s AND region = %s",
        [kind, region],
    )
    return row


def test_what_an_owner_makes_comes_and_what_he_deletes_ends(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse
) -> None:
    first, second = run_instances(client, 2)
    assert run(kinds=EC2).collected.rows == {"aws.ec2": 2}
    assert alive(warehouse) == {first, second}
    client("ec2").terminate_instances(InstanceIds=[first])
    done = run(kinds=EC2)
    assert (done.collected.rows, done.collected.ended) == ({"aws.ec2": 1}, 1)
    assert alive(warehouse) == {second}


def test_another_run_over_the_same_changes_nothing(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    (instance,) = run_instances(client)
    cpu(cloudwatch, instance, [3.0] * 24, NOW.replace(minute=0, second=0))
    run(kinds=EC2)
    read = "SELECT resource_id, state, facts, attributes, first_seen_at FROM oco.resources"
    metrics = "SELECT * FROM oco.resource_metrics ORDER BY interval_start"
    before = warehouse.query(read), warehouse.query(metrics)
    done = run(kinds=EC2)
    assert (warehouse.query(read), warehouse.query(metrics)) == before
    assert done.metrics.requests == 0


def test_a_region_that_is_not_listed_keeps_what_it_had(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse
) -> None:
    here, there = run_instances(client), run_instances(client, region="us-east-1")
    run(kinds=EC2, regions=[REGION, "us-east-1"], metrics=False)
    client("ec2", "us-east-1").terminate_instances(InstanceIds=there)
    run(kinds=EC2, metrics=False)
    assert alive(warehouse) == {*here, *there}
    rows = warehouse.query("SELECT region FROM oco.inventory_listings")
    assert [row["region"] for row in rows] == [REGION]


def test_every_enabled_region_is_listed_when_all_are_wanted(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse
) -> None:
    made = run_instances(client, region="ap-southeast-2")
    done = run(kinds=EC2, regions="all", metrics=False)
    assert len(done.regions) > 10
    assert alive(warehouse) == set(made)


def test_metrics_arrive_as_they_were_measured(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    (instance,) = run_instances(client)
    end = NOW.replace(minute=0, second=0)
    cpu(cloudwatch, instance, [4.25, None, 8.0], end)
    sizes = {"NetworkIn": 36_000.0, "NetworkOut": 7_200.0}
    for name, size in sizes.items():
        cloudwatch.plant(
            REGION, "AWS/EC2", name, {"InstanceId": instance},
            hours(end - timedelta(hours=2), [Interval(size, 0, size, 12)]),
        )  # fmt: skip
    # Of the other direction nothing is known in the last hour.
    cloudwatch.plant(
        REGION, "AWS/EC2", "NetworkIn", {"InstanceId": instance},
        hours(end - timedelta(hours=1), [Interval(1.0, 0, 1, 12)]),
    )  # fmt: skip
    run(kinds=EC2)
    rows = warehouse.query(
        "SELECT metric, interval_start, interval_seconds, average, maximum, p99, sample_count "
        "FROM oco.resource_metrics ORDER BY metric, interval_start"
    )
    hour = timedelta(hours=1)
    first = (Decimal("4.25"), Decimal("8.5"), Decimal("6.375"))
    assert [tuple(row.values()) for row in rows] == [
        ("cpu_percent", end - 3 * hour, 3600, *first, 12),
        ("cpu_percent", end - hour, 3600, Decimal(8), Decimal(16), Decimal(12), 12),
        ("network_bytes_per_second", end - 2 * hour, 3600, Decimal(12), None, None, 12),
    ]  # fmt: skip


def test_only_what_is_new_is_read_again_with_the_hours_that_may_still_change(
    run: Callable[..., AwsCollected], client: Client, cloudwatch: CloudWatch
) -> None:
    run_instances(client)
    run(kinds=EC2)
    run(now=NOW + timedelta(hours=6), kinds=EC2)
    first, second = cloudwatch.requests
    assert first["EndTime"] - first["StartTime"] == timedelta(days=14)
    assert first["EndTime"] == NOW.replace(minute=0, second=0)
    assert second["StartTime"] == first["EndTime"] - timedelta(hours=3)
    assert second["EndTime"] == first["EndTime"] + timedelta(hours=6)


def test_pages_and_requests_of_metrics_are_all_read_counted_and_priced(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    instances = run_instances(client, 70)
    for instance in instances:
        cpu(cloudwatch, instance, [1.0] * 20, NOW.replace(minute=0, second=0))
    cloudwatch.points_a_page = 999
    done = run(kinds=EC2)
    # 70 machines with 8 questions each are two requests: 62 × 8 ≤ 500; 62 × 80 points, 8 × 80.
    assert done.metrics.requests == len(cloudwatch.requests) == 5 + 1
    assert done.metrics.queries == 5 * 62 * 8 + 8 * 8
    assert done.metrics.cost_usd == Decimal("0.00001") * done.metrics.queries
    (row,) = warehouse.query("SELECT count(*) AS rows FROM oco.resource_metrics")
    assert row["rows"] == done.metrics.intervals == 70 * 20


def test_a_bound_on_requests_starves_nobody(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse
) -> None:
    run_instances(client, 130)
    lefts = [
        run(now=NOW + timedelta(hours=6 * number), kinds=EC2, metric_requests=1).metrics.left
        for number in range(3)
    ]
    # The third asks for the six that are new to it, and for nobody else.
    assert lefts == [68, 68, 124]
    rows = warehouse.query("SELECT DISTINCT metrics_until FROM oco.resources")
    assert len(rows) == 3
    assert None not in [row["metrics_until"] for row in rows]


def test_a_load_balancer_that_was_watched_and_had_no_request_had_none(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    subnets = [one["SubnetId"] for one in client("ec2").describe_subnets()["Subnets"][:2]]
    made = client("elbv2").create_load_balancer(Name="quiet", Subnets=subnets)["LoadBalancers"][0]
    name = {"LoadBalancer": made["LoadBalancerArn"].partition(":loadbalancer/")[2]}
    end = NOW.replace(minute=0, second=0)
    watched = [Interval(0.0, 0, 0, 60), Interval(0.1, 0, 0.1, 60), None]
    cloudwatch.plant(
        REGION, "AWS/ApplicationELB", "ConsumedLCUs", name, hours(end - timedelta(hours=3), watched)
    )
    cloudwatch.plant(
        REGION, "AWS/ApplicationELB", "RequestCount", name,
        hours(end - timedelta(hours=2), [Interval(7, 1, 1, 7)]),
    )  # fmt: skip
    run(kinds=["aws.app-elb"])
    rows = warehouse.query("SELECT average FROM oco.resource_metrics ORDER BY interval_start")
    assert [row["average"] for row in rows] == [0, 7]


def test_memory_is_read_under_the_names_that_the_agent_gives_it(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    (instance,) = run_instances(client)
    names = {"InstanceId": instance, "InstanceType": "m5.large", "ImageId": "ami-1"}
    client("cloudwatch").put_metric_data(
        Namespace="CWAgent",
        MetricData=[
            {
                "MetricName": "mem_used_percent", "Value": 50,
                "Dimensions": [{"Name": key, "Value": value} for key, value in names.items()],
            }
        ],
    )  # fmt: skip
    cloudwatch.plant(
        REGION, "CWAgent", "mem_used_percent", names,
        hours(LAST_HOUR, [Interval(600, 40, 60, 12, 59)]),
    )  # fmt: skip
    run(kinds=EC2)
    (row,) = warehouse.query("SELECT metric, average, maximum, p99 FROM oco.resource_metrics")
    assert tuple(row.values()) == ("memory_percent", 50, 60, 59)


def test_memory_of_a_database_is_what_is_not_free(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    client("rds").create_db_instance(
        DBInstanceIdentifier="orders", DBInstanceClass="db.m5.large", Engine="postgres",
        AllocatedStorage=50, MasterUsername="owner", MasterUserPassword="password1",
    )  # fmt: skip
    gib = 1024**3
    cloudwatch.plant(
        REGION, "AWS/RDS", "FreeableMemory", {"DBInstanceIdentifier": "orders"},
        hours(NOW.replace(minute=0, second=0) - timedelta(hours=1),
              [Interval(60 * 6 * gib, 2 * gib, 7 * gib, 60)]),
    )  # fmt: skip
    run(kinds=["aws.rds"])
    (row,) = warehouse.query("SELECT metric, average, maximum FROM oco.resource_metrics")
    assert tuple(row.values()) == ("memory_percent", 25, 75)


def test_stored_bytes_come_by_class_and_day(
    run: Callable[..., AwsCollected], client: Client, warehouse: Warehouse, cloudwatch: CloudWatch
) -> None:
    client("s3").create_bucket(
        Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    today = NOW.replace(hour=0, minute=0, second=0)
    cloudwatch.plant(
        REGION, "AWS/S3", "BucketSizeBytes",
        {"BucketName": "data", "StorageType": "StandardIAStorage"},
        {today - timedelta(days=1): Interval(5e12, 5e12, 5e12, 1)},
    )  # fmt: skip
    run(kinds=["aws.s3"])
    (row,) = warehouse.query(
        "SELECT metric, interval_seconds, interval_start, average FROM oco.resource_metrics"
    )
    assert tuple(row.values()) == (
        "stored_bytes_standard_ia", 86_400, today - timedelta(days=1), Decimal(5 * 10**12),
    )  # fmt: skip


# What is denied


@pytest.fixture
def reader(
    aws_endpoint: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[list[str]], None]]:
    """Makes the account's identity a user of AWS that may do only what it is told."""
    # The server signs addresses without values, as in ?encryption, otherwise than the SDK does.
    monkeypatch.setattr(IAMRequestBase, "check_signature", lambda _: None)

    def allow(actions: list[str]) -> None:
        iam = client("iam")
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        names = [*actions, *(SERVERS_NAMES[one] for one in actions if one in SERVERS_NAMES)]
        statement = {"Effect": "Allow", "Action": names, "Resource": "*"}
        iam.put_user_policy(
            UserName="reader", PolicyName="inventory",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )  # fmt: skip
        monkeypatch.setenv("TEST_KEY", key["AccessKeyId"])
        monkeypatch.setenv("TEST_SECRET", key["SecretAccessKey"])
        enforce("0")

    def enforce(after: str) -> None:
        requests.post(f"{aws_endpoint}/moto-api/reset-auth", data=after, timeout=30)

    yield allow
    enforce("inf")


def allowed(account: Account) -> list[str]:
    policy = json.loads(inventory_policy(parse_inventory(account)))
    actions: list[str] = policy["Statement"][0]["Action"]
    return actions


# What the server calls otherwise than IAM does.
SERVERS_NAMES = {
    "s3:GetEncryptionConfiguration": "s3:ListBucket",
    "s3:GetBucketPublicAccessBlock": "s3:ListBucket",
    "lambda:ListFunctions": "lambda:*",
    "tag:GetResources": "tagging:GetResources",
    "cloudwatch:GetMetricData": "monitoring:GetMetricData",
    "cloudwatch:ListMetrics": "monitoring:ListMetrics",
}


def connected(account: Account, **more: Any) -> Aws:
    return Aws(account, parse_inventory(account).access, pace=Pace(1e9), **more)


def make_one_of_each(client: Client) -> None:
    """What is asked about in detail must be there, or the question is never asked."""
    (instance,) = run_instances(client)
    ec2 = client("ec2")
    ec2.create_image(InstanceId=instance, Name="golden")
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-1"})
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
    made = client("elbv2").create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
    group = client("elbv2").create_target_group(
        Name="shop", Protocol="HTTP", Port=80, VpcId=made["VpcId"], TargetType="instance"
    )["TargetGroups"][0]["TargetGroupArn"]
    client("elbv2").create_listener(
        LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )  # fmt: skip
    client("elb").create_load_balancer(
        LoadBalancerName="old", AvailabilityZones=[f"{REGION}a"],
        Listeners=[{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}],
    )  # fmt: skip
    client("s3").create_bucket(
        Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION}
    )


def test_the_policy_that_the_check_prints_is_enough(
    account: Accounts, client: Client, warehouse: Warehouse, cloudwatch: CloudWatch,
    reader: Callable[[list[str]], None],
) -> None:  # fmt: skip
    make_one_of_each(client)
    one = account()
    reader(allowed(one))
    done = collect(warehouse, one, aws=connected(one), now=NOW)
    assert done.collected.missing == {}
    assert done.collected.problems == []
    # One for what is measured by the hour, one for what is by the day.
    assert done.metrics.requests == 2


@pytest.mark.parametrize(
    ("denied", "kinds", "status"),
    [
        ("ec2:DescribeVolumes", {"aws.ebs"}, "denied"),
        ("rds:DescribeDBInstances", {"aws.rds"}, "denied"),
        ("ec2:DescribeInstanceTypes", {"aws.ec2"}, "lacking"),
        ("elasticloadbalancing:DescribeTargetHealth", {"aws.app-elb"}, "lacking"),
        ("cloudwatch:GetMetricData", {"metrics"}, "denied"),
    ],
)
def test_a_permission_that_is_missing_is_named_and_the_rest_is_listed(
    account: Accounts, client: Client, warehouse: Warehouse, cloudwatch: CloudWatch,
    reader: Callable[[list[str]], None], denied: str, kinds: set[str], status: str,
) -> None:  # fmt: skip
    make_one_of_each(client)
    one = account()
    reader([action for action in allowed(one) if action != denied])
    done = collect(warehouse, one, aws=connected(one), now=NOW)
    assert done.collected.missing == {denied: kinds}
    (kind,) = kinds
    told = listing(warehouse, kind)
    assert (told["status"], told["permission"]) == (status, denied)
    others = warehouse.query(
        "SELECT resource_type FROM oco.inventory_listings WHERE status <> 'complete'"
    )
    assert [row["resource_type"] for row in others] == [kind]
    assert done.collected.metadata()["missing_permissions"] == {denied: kind}
    (line,) = checks.permissions(warehouse)
    assert line == (
        f"account main: {denied} is missing for {kind} in {REGION}: see `oco sources check main`"
    )
    findings = kind_of(one).check(one)
    missing = [finding for finding in findings if not finding.ok]
    assert len(missing) == 1
    assert denied in missing[0].detail
    assert json.dumps(denied) in missing[0].remedy


@pytest.mark.parametrize("earlier", [True, False], ids=["read before", "never read"])
def test_tags_that_may_not_be_read_are_those_of_before_or_unknown_but_never_none(
    account: Accounts, client: Client, warehouse: Warehouse, cloudwatch: CloudWatch,
    reader: Callable[[list[str]], None], earlier: bool,
) -> None:  # fmt: skip
    tag = {"Key": "owner", "Value": "kim"}
    client("s3").create_bucket(
        Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    client("s3").put_bucket_tagging(Bucket="data", Tagging={"TagSet": [tag]})
    client("elb").create_load_balancer(
        LoadBalancerName="old", AvailabilityZones=[f"{REGION}a"], Tags=[tag],
        Listeners=[{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}],
    )  # fmt: skip
    one = account(kinds=["aws.s3", "aws.elb"], metrics=False)
    if earlier:
        collect(warehouse, one, aws=connected(one), now=NOW)
    tagging = {"s3:GetBucketTagging", "elasticloadbalancing:DescribeTags"}
    reader([action for action in allowed(one) if action not in tagging])
    collect(warehouse, one, aws=connected(one), now=NOW)
    rows = warehouse.query(
        "SELECT tags, attributes -> 'Tags' AS told, facts -> 'tags_known' AS known "
        "FROM oco.resources ORDER BY resource_id"
    )
    wanted = (
        {"tags": {"owner": "kim"}, "told": [tag], "known": None}
        if earlier
        else {"tags": {}, "told": None, "known": False}
    )
    assert rows == [wanted, wanted]
    assert (
        "tags stay as they were last read, or unknown"
        in listing(warehouse, "aws.s3", "")["problem"]
    )


def test_what_may_no_longer_be_listed_does_not_end(
    account: Accounts, client: Client, warehouse: Warehouse, cloudwatch: CloudWatch,
    reader: Callable[[list[str]], None],
) -> None:  # fmt: skip
    (instance,) = run_instances(client)
    one = account(kinds=EC2, metrics=False)
    collect(warehouse, one, aws=connected(one), now=NOW)
    reader(["sts:GetCallerIdentity"])
    done = collect(warehouse, one, aws=connected(one), now=NOW)
    assert done.collected.missing == {"ec2:DescribeInstances": {"aws.ec2"}}
    assert alive(warehouse) == {instance}
    told = listing(warehouse, "aws.ec2")
    assert told["complete_at"] < told["attempted_at"]


def test_a_listing_that_breaks_off_keeps_what_it_found_and_ends_nothing(
    account: Accounts, client: Client, warehouse: Warehouse, cloudwatch: CloudWatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from moto.ec2.responses.instances import InstanceResponse

    # The server counts reservations, of which each call makes one.
    instances = [run_instances(client)[0] for _ in range(10)]
    one = account(kinds=EC2, metrics=False)
    collect(warehouse, one, aws=connected(one), now=NOW)
    new = run_instances(client)
    asked = InstanceResponse.describe_instances
    answers = iter([asked])

    def broken(self: Any) -> Any:
        answer = next(answers, None)
        assert answer is not None, "the server fails on its second page"
        return answer(self)

    monkeypatch.setattr(InstanceResponse, "describe_instances", broken)
    done = collect(warehouse, one, aws=connected(one, page_size=5), now=NOW)
    assert listing(warehouse, "aws.ec2")["status"] == "failed"
    assert listing(warehouse, "aws.ec2")["resources"] == 5
    assert done.collected.ended == 0
    assert alive(warehouse) >= set(instances)
    assert len(checks.failures(warehouse)) == 1
    assert done.collected.transient is not None
    assert len(instances + new) == 11


def test_credentials_of_another_account_are_refused(
    account: Accounts, warehouse: Warehouse
) -> None:
    one = account(account_id="999999999999")
    with pytest.raises(ConfigurationError, match="999999999999"):
        collect(warehouse, one, aws=connected(one), now=NOW)


def test_the_table_of_permissions_has_every_kind() -> None:
    assert tuple(PERMISSIONS) == KINDS == tuple(LISTERS)


def test_checking_finds_nothing_missing_where_all_is_allowed(
    account: Accounts, cloudwatch: CloudWatch
) -> None:
    one = account()
    findings = kind_of(one).check(one)
    assert [finding.what for finding in findings if not finding.ok] == []
    assert len(findings) == 1 + len(KINDS) + 1


def test_requests_wait_for_their_turn() -> None:
    clock, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        clock[0] += seconds

    pace = Pace(10, clock=lambda: clock[0], sleep=sleep)
    for _ in range(3):
        pace.wait()
    clock[0] += 5
    pace.wait()
    assert slept == [0.1, 0.1]


def test_a_client_is_made_once(account: Accounts, aws_endpoint: str) -> None:
    assert boto3
    aws = connected(account())
    aws.identity()
    sent = aws.requests.sent
    aws.identity()
    assert aws.requests.sent == sent + 1
