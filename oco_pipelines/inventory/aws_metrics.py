"""Which CloudWatch metrics say how busy a resource is, and what they are called here. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.windows import DAY, HOUR

# gauge: what the metric says. sum: how much there was in an interval. rate: the sum of its parts a
# second. flow: the mean of its parts, which are a second's already. free: what is left of `total`.
Shape = Literal["gauge", "sum", "rate", "flow", "free"]
_GIB: Final = 1024**3
# Storage classes of S3 as CloudWatch spells them.
STORED: Final[Mapping[str, str]] = {
    "StandardStorage": "stored_bytes_standard",
    "StandardIAStorage": "stored_bytes_standard_ia",
    "OneZoneIAStorage": "stored_bytes_one_zone_ia",
    "IntelligentTieringFAStorage": "stored_bytes_intelligent_frequent",
    "IntelligentTieringIAStorage": "stored_bytes_intelligent_infrequent",
    "GlacierInstantRetrievalStorage": "stored_bytes_glacier_instant",
    "GlacierStorage": "stored_bytes_glacier",
    "DeepArchiveStorage": "stored_bytes_deep_archive",
    "ReducedRedundancyStorage": "stored_bytes_reduced_redundancy",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A metric of CloudWatch; `dimensions` is {name: value}."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of a resource.

    Attributes:
        resource_id: the resource.
        metric: as `oco.resource_metrics` calls it.
        shape: how the parts make it.
        parts: metrics of CloudWatch that are added up; all must be there.
        interval_seconds: length of an interval.
        total: of the shape free, in the unit of its part.
        alive: a metric that is there whenever the resource was watched. Where it is and the parts
            are not, the sum is 0: load balancers tell nothing of an hour without requests.
    """

    resource_id: str
    metric: str
    shape: Shape
    parts: tuple[Part, ...]
    interval_seconds: int = HOUR
    total: float | None = None
    alive: Part | None = None


def series_of(
    resource: FoundResource, memory: Mapping[str, tuple[tuple[str, str], ...]]
) -> list[Series]:
    """The metrics of a resource that are asked for; none of a kind that has none.

    Args:
        resource: as it was listed.
        memory: {instance: dimensions under which its CloudWatch agent tells its memory}.
    """
    make = _MAKERS.get(resource.resource_type)
    if make is None:
        return []
    found = make(resource)
    if resource.resource_id in memory and resource.resource_type == "aws.ec2":
        part = Part("CWAgent", "mem_used_percent", memory[resource.resource_id])
        found.append(Series(resource.resource_id, "memory_percent", "gauge", (part,)))
    return found


def memory_dimensions(
    metrics: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[tuple[str, str], ...]]:
    """{instance: dimensions} of what ListMetrics says of the agent's mem_used_percent.

    An agent may tell it under several sets of dimensions: the smallest is taken.
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for one in metrics:
        dimensions = tuple(
            sorted((item["Name"], item["Value"]) for item in one.get("Dimensions", []))
        )
        instance = dict(dimensions).get("InstanceId")
        if instance is not None and len(dimensions) < len(found.get(instance, ((),) * 99)):
            found[instance] = dimensions
    return found


def _ec2(resource: FoundResource) -> list[Series]:
    def part(name: str) -> Part:
        return Part("AWS/EC2", name, (("InstanceId", resource.resource_id),))

    return [
        Series(resource.resource_id, "cpu_percent", "gauge", (part("CPUUtilization"),)),
        Series(
            resource.resource_id,
            "network_bytes_per_second",
            "rate",
            (part("NetworkIn"), part("NetworkOut")),
        ),
    ]


def _ebs(resource: FoundResource) -> list[Series]:
    parts = tuple(
        Part("AWS/EBS", name, (("VolumeId", resource.resource_id),))
        for name in ("VolumeReadBytes", "VolumeWriteBytes")
    )
    return [Series(resource.resource_id, "read_write_bytes_per_second", "rate", parts)]


def _elb(resource: FoundResource) -> list[Series]:
    by = (("LoadBalancerName", resource.resource_name or ""),)
    return [
        Series(
            resource.resource_id,
            "requests",
            "sum",
            (Part("AWS/ELB", "RequestCount", by),),
            alive=Part("AWS/ELB", "UnHealthyHostCount", by),
        )
    ]


def _app_elb(resource: FoundResource) -> list[Series]:
    # CloudWatch knows it by the end of its ARN, as in app/name/0123456789abcdef.
    by = (("LoadBalancer", resource.resource_id.partition(":loadbalancer/")[2]),)
    space, name = {
        "network": ("AWS/NetworkELB", "NewFlowCount"),
        "gateway": ("AWS/GatewayELB", "NewFlowCount"),
    }.get(resource.size or "", ("AWS/ApplicationELB", "RequestCount"))
    part = Part(space, name, by)
    return [
        Series(
            resource.resource_id,
            "requests",
            "sum",
            (part,),
            alive=Part(space, "ConsumedLCUs", by),
        )
    ]


def _nat(resource: FoundResource) -> list[Series]:
    by = (("NatGatewayId", resource.resource_id.rpartition("/")[2]),)
    return [
        Series(
            resource.resource_id,
            "bytes_out",
            "sum",
            (Part("AWS/NATGateway", "BytesOutToDestination", by),),
        ),
        Series(
            resource.resource_id,
            "connections",
            "gauge",
            (Part("AWS/NATGateway", "ActiveConnectionCount", by),),
        ),
    ]


def _rds(resource: FoundResource) -> list[Series]:
    def part(name: str) -> Part:
        return Part("AWS/RDS", name, (("DBInstanceIdentifier", resource.resource_name or ""),))

    found = [
        Series(resource.resource_id, "cpu_percent", "gauge", (part("CPUUtilization"),)),
        Series(resource.resource_id, "connections", "gauge", (part("DatabaseConnections"),)),
        Series(
            resource.resource_id,
            "read_write_bytes_per_second",
            "flow",
            (part("ReadThroughput"), part("WriteThroughput")),
        ),
    ]
    memory = resource.facts.get("memory_gib")
    if memory is not None:
        found.append(
            Series(
                resource.resource_id,
                "memory_percent",
                "free",
                (part("FreeableMemory"),),
                total=float(memory) * _GIB,
            )
        )
    return found


def _lambda(resource: FoundResource) -> list[Series]:
    part = Part("AWS/Lambda", "Invocations", (("FunctionName", resource.resource_name or ""),))
    return [Series(resource.resource_id, "requests", "sum", (part,))]


def _cache(resource: FoundResource) -> list[Series]:
    def part(name: str) -> Part:
        return Part("AWS/ElastiCache", name, (("CacheClusterId", resource.resource_name or ""),))

    found = [
        Series(resource.resource_id, "cpu_percent", "gauge", (part("CPUUtilization"),)),
        Series(resource.resource_id, "connections", "gauge", (part("CurrConnections"),)),
    ]
    if resource.facts.get("engine") != "memcached":
        memory = part("DatabaseMemoryUsagePercentage")
        found.append(Series(resource.resource_id, "memory_percent", "gauge", (memory,)))
    return found


def _s3(resource: FoundResource) -> list[Series]:
    found = [
        Series(
            resource.resource_id,
            metric,
            "flow",
            (
                Part(
                    "AWS/S3",
                    "BucketSizeBytes",
                    (("BucketName", resource.resource_id), ("StorageType", spelt)),
                ),
            ),
            DAY,
        )
        for spelt, metric in STORED.items()
    ]
    # There only where the bucket has metrics of requests, under the name that the console gives.
    gets = Part(
        "AWS/S3",
        "GetRequests",
        (("BucketName", resource.resource_id), ("FilterId", "EntireBucket")),
    )
    return [*found, Series(resource.resource_id, "get_requests", "sum", (gets,), DAY)]


_MAKERS: Final[Mapping[str, Callable[[FoundResource], list[Series]]]] = {
    "aws.ec2": _ec2,
    "aws.ebs": _ebs,
    "aws.elb": _elb,
    "aws.app-elb": _app_elb,
    "aws.nat-gateway": _nat,
    "aws.rds": _rds,
    "aws.lambda": _lambda,
    "aws.cache-cluster": _cache,
    "aws.s3": _s3,
}
