"""Makes a planned cloud at a moto server of this process, with its CloudWatch series."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from moto.backends import get_backend

from tests.oco_pipelines.inventory.cloudwatch import CloudWatch, Interval
from tests.oco_pipelines.inventory.planted.plan import Hour, Planted, Series

Client = Callable[[str], Any]
ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
_SAMPLES: Final = 12
_ZONE: Final = f"{REGION}a"
OLD: Final = timedelta(days=200)


@dataclass
class PlantedCloud:
    """A cloud that was made.

    Attributes:
        ids: {(kind, name): identifier as on the bill}.
        billed: {identifier: what bills it}; a stopped machine is billed by its disk.
        expected: {(rule, identifier): USD a month}.
        metrics: {(identifier, metric, hour): average} that must arrive.
    """

    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    billed: dict[str, Planted] = field(default_factory=dict)
    expected: dict[tuple[str, str], Any] = field(default_factory=dict)
    metrics: dict[tuple[str, str, datetime], float] = field(default_factory=dict)


class Planter:
    """Makes resources one after another.

    Args:
        client: makes clients of the owner's.
        cloudwatch: what is measured.
        now: on a whole hour; where series end.
    """

    def __init__(self, client: Client, cloudwatch: CloudWatch, now: datetime) -> None:
        self.made = PlantedCloud()
        self._client = client
        self._ec2 = client("ec2")
        self._cloudwatch = cloudwatch
        self._now = now
        self._subnets = [one["SubnetId"] for one in self._ec2.describe_subnets()["Subnets"][:2]]
        (self._host,) = self._run("m5.large")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("main.py", "def run(event, context): return 1")
        self._code = code.getvalue()
        client("iam").create_role(RoleName="run", AssumeRolePolicyDocument="{}", Path="/")

    def plant(self, one: Planted) -> None:
        """Make a resource, let it be old, and say how busy it was."""
        identifier, billed = _MAKERS[one.kind](self, one)
        self.made.ids[one.kind, one.name] = identifier
        if one.daily_usd:
            assert billed not in self.made.billed
            self.made.billed[billed] = one
        for rule, saving in one.finds.items():
            # What a stopped machine's disk could save is said of the disk.
            about = billed if rule == "previous_generation" else identifier
            self.made.expected[rule, about] = saving

    # Machines and disks

    def ec2(self, one: Planted) -> tuple[str, str]:
        (instance_id,) = self._run(one.size, one.name)
        machine = get_backend("ec2")[ACCOUNT][REGION].get_instance(instance_id)
        (disk,) = (device.volume_id for device in machine.block_device_mapping.values())
        machine.launch_time -= OLD
        for device in machine.block_device_mapping.values():
            device.attach_time -= OLD
        volume = self._volume(disk)
        volume.create_time -= OLD
        if one.profile in {"stopped", "just-stopped"}:
            volume.volume_type = "gp2"
            self._ec2.stop_instances(InstanceIds=[instance_id])
            ago = timedelta(days=10) if one.profile == "stopped" else timedelta(hours=5)
            machine._reason = f"User initiated ({self._now - ago:%Y-%m-%d %H:%M:%S} GMT)"
            return instance_id, disk
        volume.volume_type = "gp3"
        by = {"InstanceId": instance_id}
        cpu, network = one.series.get("cpu"), one.series.get("network")
        if one.profile == "office-hours":
            cpu = self._office_hours(Hour(1.5, 2), Hour(55, 70))
            network = self._office_hours(Hour(200, 200), Hour(2e5, 2e5))
        self._gauge(instance_id, "cpu_percent", "AWS/EC2", "CPUUtilization", by, cpu)
        self._gauge(
            instance_id, "memory_percent", "CWAgent", "mem_used_percent", by,
            one.series.get("memory"),
        )  # fmt: skip
        if "memory" in one.series:
            self._client("cloudwatch").put_metric_data(
                Namespace="CWAgent",
                MetricData=[
                    {"MetricName": "mem_used_percent", "Value": 1,
                     "Dimensions": [{"Name": "InstanceId", "Value": instance_id}]}
                ],
            )  # fmt: skip
        for name, part in (("NetworkIn", 0.75), ("NetworkOut", 0.25)):
            self._sum("AWS/EC2", name, by, network, part * 3600)
        self._expect(instance_id, "network_bytes_per_second", network)
        return instance_id, instance_id

    def ebs(self, one: Planted) -> tuple[str, str]:
        made = self._ec2.create_volume(AvailabilityZone=_ZONE, Size=100, VolumeType=one.size)
        volume_id = made["VolumeId"]
        if one.profile != "just-loose":
            self._volume(volume_id).create_time -= OLD
        if one.profile.startswith("attached"):
            number = len(self.made.ids)
            device = f"/dev/sd{chr(97 + number // 26 % 26)}{chr(97 + number % 26)}{number}"
            self._ec2.attach_volume(VolumeId=volume_id, InstanceId=self._host, Device=device)
        traffic = one.series.get("traffic")
        by = {"VolumeId": volume_id}
        for name, part in (("VolumeReadBytes", 0.5), ("VolumeWriteBytes", 0.5)):
            self._sum("AWS/EBS", name, by, traffic, part * 3600)
        self._expect(volume_id, "read_write_bytes_per_second", traffic)
        return volume_id, volume_id

    def snapshot(self, one: Planted) -> tuple[str, str]:
        source = self._ec2.create_volume(AvailabilityZone=_ZONE, Size=100)["VolumeId"]
        snapshot = self._ec2.create_snapshot(VolumeId=source)["SnapshotId"]
        if one.profile != "with-source":
            self._ec2.delete_volume(VolumeId=source)
        if one.profile != "young-orphan":
            get_backend("ec2")[ACCOUNT][REGION].snapshots[snapshot].start_time -= OLD
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:snapshot/{snapshot}"
        return arn, arn

    def ami(self, one: Planted) -> tuple[str, str]:
        image_id = self._ec2.create_image(InstanceId=self._host, Name=one.name)["ImageId"]
        backend = get_backend("ec2")[ACCOUNT][REGION]
        image = backend.amis[image_id]
        snapshot = image.ebs_snapshot.id
        backend.snapshots[snapshot].start_time -= OLD
        if one.profile != "young":
            image.creation_date = (
                f"{self._now - OLD:%Y-%m-%dT%H:%M:%S.000Z}"
                if isinstance(image.creation_date, str)
                else image.creation_date - OLD
            )
        if one.profile == "running":
            self._run("m5.large", image=image_id)
        if one.profile == "in-template":
            self._ec2.create_launch_template(
                LaunchTemplateName=one.name, LaunchTemplateData={"ImageId": image_id}
            )
        return image_id, f"arn:aws:ec2:{REGION}:{ACCOUNT}:snapshot/{snapshot}"

    def address(self, one: Planted) -> tuple[str, str]:
        allocation = self._ec2.allocate_address(Domain="vpc")["AllocationId"]
        if one.profile == "used":
            (instance,) = self._run("m5.large")
            self._ec2.associate_address(AllocationId=allocation, InstanceId=instance)
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:elastic-ip/{allocation}"
        return arn, arn

    # What stands in front

    def app_elb(self, one: Planted) -> tuple[str, str]:
        elb = self._client("elbv2")
        made = elb.create_load_balancer(Name=one.name, Subnets=self._subnets)["LoadBalancers"][0]
        arn = made["LoadBalancerArn"]
        balancer = get_backend("elbv2")[ACCOUNT][REGION].load_balancers[arn]
        balancer.created_time = f"{self._now - OLD:%Y-%m-%dT%H:%M:%S.000Z}"
        if one.profile != "empty":
            group = elb.create_target_group(
                Name=one.name, Protocol="HTTP", Port=80, VpcId=made["VpcId"],
                TargetType="instance",
            )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
            elb.create_listener(
                LoadBalancerArn=arn, Protocol="HTTP", Port=80,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
            )  # fmt: skip
            elb.register_targets(TargetGroupArn=group, Targets=[{"Id": self._host}])
        by = {"LoadBalancer": arn.partition(":loadbalancer/")[2]}
        self._balanced(one, arn, "AWS/ApplicationELB", "ConsumedLCUs", by)
        return arn, arn

    def elb(self, one: Planted) -> tuple[str, str]:
        name = f"classic-{one.name}"
        self._client("elb").create_load_balancer(
            LoadBalancerName=name, AvailabilityZones=[_ZONE],
            Listeners=[{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}],
        )  # fmt: skip
        arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/{name}"
        by = {"LoadBalancerName": name}
        self._balanced(one, arn, "AWS/ELB", "UnHealthyHostCount", by)
        return arn, arn

    def nat(self, one: Planted) -> tuple[str, str]:
        allocation = self._ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = self._ec2.create_nat_gateway(SubnetId=self._subnets[0], AllocationId=allocation)
        gateway = made["NatGateway"]["NatGatewayId"]
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:natgateway/{gateway}"
        sizes = one.series.get("bytes")
        by = {"NatGatewayId": gateway}
        self._sum("AWS/NATGateway", "BytesOutToDestination", by, sizes, 1)
        self._expect(arn, "bytes_out", sizes)
        return arn, arn

    # What keeps data, and what runs without a machine

    def rds(self, one: Planted) -> tuple[str, str]:
        self._client("rds").create_db_instance(
            DBInstanceIdentifier=one.name, DBInstanceClass=one.size, Engine="postgres",
            AllocatedStorage=50, MasterUsername="owner", MasterUserPassword="password1",
        )  # fmt: skip
        arn = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{one.name}"
        by = {"DBInstanceIdentifier": one.name}
        connections = one.series.get("connections")
        self._gauge(arn, "connections", "AWS/RDS", "DatabaseConnections", by, connections)
        return arn, arn

    def cache(self, one: Planted) -> tuple[str, str]:
        self._client("elasticache").create_cache_cluster(
            CacheClusterId=one.name, CacheNodeType=one.size, Engine="redis", NumCacheNodes=1
        )
        arn = f"arn:aws:elasticache:{REGION}:{ACCOUNT}:cluster:{one.name}"
        by = {"CacheClusterId": one.name}
        connections = one.series.get("connections")
        self._gauge(arn, "connections", "AWS/ElastiCache", "CurrConnections", by, connections)
        return arn, arn

    def s3(self, one: Planted) -> tuple[str, str]:
        self._client("s3").create_bucket(
            Bucket=one.name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        today = self._now.replace(hour=0)
        for days in range(1, 15):
            day = today - timedelta(days=days)
            for metric, name, series, kind in (
                ("stored_bytes_standard", "BucketSizeBytes", "stored",
                 ("StorageType", "StandardStorage")),
                ("get_requests", "GetRequests", "reads", ("FilterId", "EntireBucket")),
            ):  # fmt: skip
                told = one.series.get(series)
                if told is None or told[0] is None:
                    continue
                value = told[0].average
                self._cloudwatch.plant(
                    REGION, "AWS/S3", name, {"BucketName": one.name, kind[0]: kind[1]},
                    {day: Interval(value, value, value, 1)},
                )  # fmt: skip
                self.made.metrics[one.name, metric, day] = value
        return one.name, one.name

    def function(self, one: Planted) -> tuple[str, str]:
        self._client("lambda").create_function(
            FunctionName=one.name, Runtime="python3.12", Handler="main.run",
            Role=f"arn:aws:iam::{ACCOUNT}:role/run", Code={"ZipFile": self._code},
        )  # fmt: skip
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{one.name}"
        return arn, arn

    # Series

    def _balanced(
        self, one: Planted, arn: str, namespace: str, alive: str, by: dict[str, str]
    ) -> None:
        requests, watched = one.series.get("requests"), one.series.get("watched")
        self._sum(namespace, "RequestCount", by, requests, 1)
        self._sum(namespace, alive, by, watched, 1)
        self._expect(arn, "requests", requests)
        if watched is not None:
            self._expect(arn, "requests", [Hour(0, 0)] * len(watched))

    def _gauge(
        self, identifier: str, metric: str, namespace: str, name: str, by: dict[str, str],
        series: Series | None,
    ) -> None:  # fmt: skip
        self._expect(identifier, metric, series)
        intervals = {
            at: Interval(hour.average * _SAMPLES, hour.average, hour.most, _SAMPLES, hour.most)
            for at, hour in self._laid_out(series)
        }
        self._cloudwatch.plant(REGION, namespace, name, by, intervals)

    def _sum(
        self, namespace: str, name: str, by: dict[str, str], series: Series | None, part: float
    ) -> None:
        intervals = {
            at: Interval(hour.average * part, 0, hour.average * part, _SAMPLES)
            for at, hour in self._laid_out(series)
        }
        self._cloudwatch.plant(REGION, namespace, name, by, intervals)

    def _expect(self, identifier: str, metric: str, series: Series | None) -> None:
        for at, hour in self._laid_out(series):
            self.made.metrics[identifier, metric, at] = hour.average

    def _laid_out(self, series: Series | None) -> list[tuple[datetime, Hour]]:
        length = len(series or ())
        return [
            (self._now - timedelta(hours=length - number), hour)
            for number, hour in enumerate(series or ())
            if hour is not None
        ]

    def _office_hours(self, idle: Hour, busy: Hour) -> Series:
        starts = [self._now - timedelta(hours=ago) for ago in range(14 * 24, 0, -1)]
        return [busy if at.isoweekday() <= 5 and 8 <= at.hour <= 17 else idle for at in starts]

    def _volume(self, volume_id: str) -> Any:
        return get_backend("ec2")[ACCOUNT][REGION].volumes[volume_id]

    def _run(
        self, size: str, name: str = "host", image: str = "ami-0aaaaaaaaaaaaaaaa"
    ) -> list[str]:
        made = self._ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType=size,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}
            ],
        )  # fmt: skip
        return [one["InstanceId"] for one in made["Instances"]]


_MAKERS: Final[dict[str, Callable[[Planter, Planted], tuple[str, str]]]] = {
    "aws.ec2": Planter.ec2,
    "aws.ebs": Planter.ebs,
    "aws.ebs-snapshot": Planter.snapshot,
    "aws.ami": Planter.ami,
    "aws.network-addr": Planter.address,
    "aws.app-elb": Planter.app_elb,
    "aws.elb": Planter.elb,
    "aws.nat-gateway": Planter.nat,
    "aws.rds": Planter.rds,
    "aws.cache-cluster": Planter.cache,
    "aws.s3": Planter.s3,
    "aws.lambda": Planter.function,
}
