"""Each kind of AWS resource, made at a real server by its owner and listed by us."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

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
from oco_pipelines.inventory.aws_collect import LISTERS
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.found import FoundResource
from oco_warehouse.resource_types import RESOURCE_TYPES
from tests.oco_pipelines.inventory.conftest import ACCOUNT_ID, REGION

Client = Callable[..., Any]
Connect = Callable[..., Aws]


def place() -> Place:
    return Place(ACCOUNT_ID, REGION)


def run_instances(client: Client, count: int = 1, **options: Any) -> list[str]:
    made = client("ec2").run_instances(
        **{
            "ImageId": "ami-0aaaaaaaaaaaaaaaa",
            "MinCount": count,
            "MaxCount": count,
            "InstanceType": "m5.xlarge",
        }
        | options
    )
    return [one["InstanceId"] for one in made["Instances"]]


def subnets(client: Client) -> list[str]:
    found = client("ec2").describe_subnets()["Subnets"]
    return [one["SubnetId"] for one in found[:2]]


def only(found: list[FoundResource]) -> FoundResource:
    (one,) = found
    return one


def test_every_kind_is_one_that_everybody_knows() -> None:
    assert set(LISTERS) <= RESOURCE_TYPES


def test_an_instance_has_what_its_type_has_and_the_tags_of_its_owner(
    client: Client, connect: Connect
) -> None:
    tags = [{"Key": "Name", "Value": "web-1"}, {"Key": "aws:autoscaling:groupName", "Value": "web"}]
    run_instances(client, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    found = only(list(aws_ec2.instances(connect(), place())))
    assert (found.resource_name, found.state, found.size) == ("web-1", "running", "m5.xlarge")
    assert found.facts["vcpu"] == 4
    assert found.facts["memory_gib"] == 16
    assert (found.facts["family"], found.facts["generation"]) == ("m5", 5)
    assert found.facts["autoscaling_group"] == "web"
    assert found.facts["interruptible"] is False
    assert len(found.facts["volume_ids"]) == 1
    assert {tag["Key"]: tag["Value"] for tag in found.attributes["Tags"]} == found.tags
    assert "stopped_since" not in found.facts


def test_a_stopped_instance_says_since_when(client: Client, connect: Connect) -> None:
    (instance_id,) = run_instances(client)
    client("ec2").stop_instances(InstanceIds=[instance_id])
    found = only(list(aws_ec2.instances(connect(), place())))
    assert found.state == "stopped"
    assert found.facts["stopped_since"] >= found.facts["created_at"][:19]


def test_a_terminated_instance_is_gone(client: Client, connect: Connect) -> None:
    client("ec2").terminate_instances(InstanceIds=run_instances(client))
    assert list(aws_ec2.instances(connect(), place())) == []


def test_a_volume_says_what_it_is_attached_to(client: Client, connect: Connect) -> None:
    (instance_id,) = run_instances(client)
    ec2 = client("ec2")
    free = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=80, VolumeType="gp3")["VolumeId"]
    found = {one.resource_id: one for one in aws_ebs.volumes(connect(), place())}
    assert len(found) == 2
    alone = found.pop(free)
    assert (alone.state, alone.size) == ("available", "gp3")
    assert alone.facts["size_gib"] == 80
    assert alone.facts["attached"] is False
    assert "attached_to" not in alone.facts
    (root,) = found.values()
    assert (root.facts["attached"], root.facts["attached_to"]) == (True, instance_id)


def test_a_snapshot_outlives_its_volume_and_is_named_as_on_the_bill(
    client: Client, connect: Connect
) -> None:
    ec2 = client("ec2")
    kept = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=8)["VolumeId"]
    gone = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=9)["VolumeId"]
    ids = [ec2.create_snapshot(VolumeId=one)["SnapshotId"] for one in (kept, gone)]
    ec2.delete_volume(VolumeId=gone)
    here, aws = place(), connect()
    here.listed["aws.ebs"] = list(aws_ebs.volumes(aws, here))
    here.listed["aws.ami"] = list(aws_ami.images(aws, here))
    found = {one.facts["source_id"]: one for one in aws_snapshot.snapshots(aws, here)}
    assert found[kept].facts["source_exists"] is True
    assert found[gone].facts["source_exists"] is False
    assert found[gone].facts["in_use"] is False
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:snapshot"
    assert {one.resource_id for one in found.values()} == {f"{arn}/{one}" for one in ids}


def test_what_is_not_known_of_a_snapshots_source_is_not_claimed(
    client: Client, connect: Connect
) -> None:
    ec2 = client("ec2")
    ec2.create_snapshot(
        VolumeId=ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=8)["VolumeId"]
    )
    found = only(list(aws_snapshot.snapshots(connect(), place())))
    assert "source_exists" not in found.facts
    assert "in_use" not in found.facts


def test_an_image_is_in_use_by_an_instance_or_a_launch_template(
    client: Client, connect: Connect
) -> None:
    ec2 = client("ec2")
    (instance_id,) = run_instances(client)
    used, planned, idle = (
        ec2.create_image(InstanceId=instance_id, Name=name)["ImageId"]
        for name in ("used", "planned", "idle")
    )
    run_instances(client, ImageId=used)
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": planned})
    here, aws = place(), connect()
    here.listed["aws.ec2"] = list(aws_ec2.instances(aws, here))
    found = {one.resource_id: one.facts["in_use"] for one in aws_ami.images(aws, here)}
    assert found == {used: True, planned: True, idle: False}


def test_snapshots_of_an_image_are_in_use(client: Client, connect: Connect) -> None:
    (instance_id,) = run_instances(client)
    client("ec2").create_image(InstanceId=instance_id, Name="golden")
    here, aws = place(), connect()
    here.listed["aws.ami"] = list(aws_ami.images(aws, here))
    assert [one.facts["in_use"] for one in aws_snapshot.snapshots(aws, here)] == [True]


def test_an_address_says_whether_something_has_it(client: Client, connect: Connect) -> None:
    ec2 = client("ec2")
    (instance_id,) = run_instances(client)
    used, free = (ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2))
    ec2.associate_address(AllocationId=used, InstanceId=instance_id)
    found = {one.resource_id: one.facts for one in aws_address.addresses(connect(), place())}
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:elastic-ip"
    assert found[f"{arn}/{used}"]["attached_to"] == instance_id
    assert found[f"{arn}/{free}"]["attached"] is False


def test_a_classic_load_balancer_counts_its_healthy_instances(
    client: Client, connect: Connect
) -> None:
    elb = client("elb")
    listener = {"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}
    for name in ("shop", "empty"):
        elb.create_load_balancer(
            LoadBalancerName=name, Listeners=[listener], AvailabilityZones=[f"{REGION}a"],
            Tags=[{"Key": "team", "Value": name}],
        )  # fmt: skip
    elb.register_instances_with_load_balancer(
        LoadBalancerName="shop", Instances=[{"InstanceId": one} for one in run_instances(client, 2)]
    )
    found = {one.resource_name: one for one in aws_elb.classic_load_balancers(connect(), place())}
    assert {name: one.facts["targets"] for name, one in found.items()} == {"shop": 2, "empty": 0}
    assert found["shop"].tags == {"team": "shop"}
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:loadbalancer/shop"
    assert found["shop"].resource_id == arn


def test_a_load_balancer_counts_the_healthy_targets_of_its_groups(
    client: Client, connect: Connect
) -> None:
    elb = client("elbv2")
    made = elb.create_load_balancer(
        Name="shop", Subnets=subnets(client), Tags=[{"Key": "team", "Value": "web"}]
    )["LoadBalancers"][0]
    group = elb.create_target_group(
        Name="shop", Protocol="HTTP", Port=80, VpcId=made["VpcId"], TargetType="instance"
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )  # fmt: skip
    elb.register_targets(
        TargetGroupArn=group, Targets=[{"Id": one} for one in run_instances(client, 2)]
    )
    found = only(list(aws_app_elb.load_balancers(connect(), place())))
    assert found.resource_id == made["LoadBalancerArn"]
    assert (found.size, found.state, found.tags) == ("application", "active", {"team": "web"})
    assert found.facts["targets"] == 2


def test_a_nat_gateway_is_named_as_on_the_bill(client: Client, connect: Connect) -> None:
    ec2 = client("ec2")
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    subnet = subnets(client)[0]
    made = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=allocation)["NatGateway"]
    found = only(list(aws_nat.nat_gateways(connect(), place())))
    assert found.resource_id == (
        f"arn:aws:ec2:{REGION}:{ACCOUNT_ID}:natgateway/{made['NatGatewayId']}"
    )
    assert found.state == "available"


def test_a_database_has_the_memory_of_its_class(client: Client, connect: Connect) -> None:
    client("rds").create_db_instance(
        DBInstanceIdentifier="orders", DBInstanceClass="db.m5.large", Engine="postgres",
        AllocatedStorage=50, MultiAZ=True, MasterUsername="owner", MasterUserPassword="password1",
        Tags=[{"Key": "team", "Value": "shop"}],
    )  # fmt: skip
    found = only(list(aws_rds.databases(connect(), place())))
    assert found.resource_id == f"arn:aws:rds:{REGION}:{ACCOUNT_ID}:db:orders"
    assert (found.facts["vcpu"], found.facts["memory_gib"]) == (2, 8)
    assert (found.facts["engine"], found.facts["multi_az"]) == ("postgres", True)
    assert found.facts["family"] == "m5"
    assert found.tags == {"team": "shop"}
    assert found.attributes["Tags"] == [{"Key": "team", "Value": "shop"}]


def test_a_snapshot_of_a_database_that_is_gone_says_so(client: Client, connect: Connect) -> None:
    rds = client("rds")
    for name in ("kept", "gone"):
        rds.create_db_instance(
            DBInstanceIdentifier=name, DBInstanceClass="db.m5.large", Engine="postgres",
            AllocatedStorage=20, MasterUsername="owner", MasterUserPassword="password1",
        )  # fmt: skip
        rds.create_db_snapshot(DBSnapshotIdentifier=f"of-{name}", DBInstanceIdentifier=name)
    rds.delete_db_instance(DBInstanceIdentifier="gone", SkipFinalSnapshot=True)
    here, aws = place(), connect()
    here.listed["aws.rds"] = list(aws_rds.databases(aws, here))
    found = {one.resource_name: one for one in aws_rds.database_snapshots(aws, here)}
    assert found["of-kept"].facts["source_exists"] is True
    assert found["of-gone"].facts["source_exists"] is False


def test_a_bucket_is_told_with_its_region_its_tags_and_who_may_see_it(
    client: Client, connect: Connect
) -> None:
    for name, region in (("open-data", "eu-central-1"), ("private", "us-east-1")):
        s3 = client("s3", region)
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **(where if region != "us-east-1" else {}))
    s3 = client("s3", "eu-central-1")
    s3.put_bucket_tagging(
        Bucket="open-data", Tagging={"TagSet": [{"Key": "team", "Value": "data"}]}
    )
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(
        Bucket="open-data", LifecycleConfiguration={"Rules": [rule]}
    )
    found = {one.resource_id: one for one in aws_s3.buckets(connect(), place())}
    # As Cloud Custodian has it.
    assert found["open-data"].attributes["Lifecycle"]["Rules"][0]["Expiration"] == {"Days": 9}
    assert found["private"].attributes["Lifecycle"] is None
    assert found["open-data"].region == "eu-central-1"
    assert found["private"].region == "us-east-1"
    assert found["open-data"].tags == {"team": "data"}
    assert found["private"].facts["public"] is False


def test_a_function_keeps_its_secrets(client: Client, connect: Connect) -> None:
    client("iam").create_role(RoleName="run", AssumeRolePolicyDocument="{}", Path="/")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "def run(event, context): return 1")
    client("lambda").create_function(
        FunctionName="resize", Runtime="python3.12", Handler="main.run", MemorySize=512,
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/run", Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"API_KEY": "canary-of-the-owner"}}, Tags={"team": "media"},
    )  # fmt: skip
    found = only(list(aws_lambda.functions(connect(), place())))
    assert found.resource_id == f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:resize"
    assert found.facts == {"memory_gib": 0.5}
    assert found.tags == {"team": "media"}
    assert "canary-of-the-owner" not in repr(found)


def test_a_cache_is_named_as_on_the_bill(client: Client, connect: Connect) -> None:
    client("elasticache").create_cache_cluster(
        CacheClusterId="sessions", CacheNodeType="cache.m6g.large", Engine="redis", NumCacheNodes=1
    )
    found = only(list(aws_cache.caches(connect(), place())))
    assert found.resource_id == f"arn:aws:elasticache:{REGION}:{ACCOUNT_ID}:cluster:sessions"
    assert (found.facts["engine"], found.facts["family"]) == ("redis", "m6g")


@pytest.mark.parametrize("page_size", [5])
def test_every_page_is_read(client: Client, connect: Connect, page_size: int) -> None:
    # The server counts reservations, of which each call makes one.
    for _ in range(17):
        run_instances(client)
    found = list(aws_ec2.instances(connect(page_size=page_size), place()))
    assert len({one.resource_id for one in found}) == 17


def test_tags_that_may_not_be_read_are_unknown_and_not_none(
    client: Client, connect: Connect
) -> None:
    client("elasticache").create_cache_cluster(
        CacheClusterId="sessions", CacheNodeType="cache.m6g.large", Engine="redis", NumCacheNodes=1
    )
    client("elbv2").create_load_balancer(Name="shop", Subnets=subnets(client))
    for lister in (aws_cache.caches, aws_app_elb.load_balancers):
        aws = connect()
        assert only(list(lister(aws, place()))).tags == {}
        # As a refusal leaves it.
        aws.lacking |= dict.fromkeys(["tag:GetResources", "elasticloadbalancing:DescribeTags"])
        found = only(list(lister(aws, place())))
        assert found.tags is None
        assert "Tags" not in found.attributes
