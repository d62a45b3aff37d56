"""Application, network and gateway load balancers."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.app-elb"
# So many DescribeTags takes at once.
_ARNS_A_REQUEST: Final = 20


def load_balancers(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The load balancers of a place, with their tags and their healthy targets."""
    targets = _healthy_targets(aws, place)
    for page in aws.pages("elbv2", place.region, "describe_load_balancers"):
        documents = page["LoadBalancers"]
        tags: dict[str, Any] = {}
        for start in range(0, len(documents), _ARNS_A_REQUEST):
            arns = [one["LoadBalancerArn"] for one in documents[start : start + _ARNS_A_REQUEST]]
            answer = aws.detail("elbv2", place.region, "describe_tags", ResourceArns=arns)
            if answer is None:
                tags.update(dict.fromkeys(arns))
                continue
            for told in answer.get("TagDescriptions", []):
                tags[told["ResourceArn"]] = told.get("Tags", [])
        for one in documents:
            arn = one["LoadBalancerArn"]
            document = {**as_json(one), "Tags": as_json(tags.get(arn, []))}
            yield load_balancer(place, document, None if targets is None else targets.get(arn, 0))


def load_balancer(place: Place, document: Mapping[str, Any], targets: int | None) -> FoundResource:
    """Of a document of DescribeLoadBalancers, and how many healthy targets it has where known."""
    facts = known(
        created_at=moment(document.get("CreatedTime")),
        public=document.get("Scheme") == "internet-facing",
        targets=targets,
    )
    return place.resource(KIND, document["LoadBalancerArn"], document).found(
        facts,
        name=document.get("LoadBalancerName"),
        state=document.get("State", {}).get("Code"),
        size=document.get("Type"),
    )


def _healthy_targets(aws: Aws, place: Place) -> dict[str, int] | None:
    """{load balancer: healthy targets}; None when that cannot be known."""
    found: dict[str, int] = {}
    token: dict[str, Any] = {}
    while True:
        groups = aws.detail("elbv2", place.region, "describe_target_groups", **token)
        if groups is None:
            return None
        for group in groups["TargetGroups"]:
            balancers = group.get("LoadBalancerArns", [])
            if not balancers:
                continue
            health = aws.detail(
                "elbv2",
                place.region,
                "describe_target_health",
                TargetGroupArn=group["TargetGroupArn"],
            )
            if health is None:
                return None
            # `unused`: a Lambda function, or a target in a zone that is not enabled; healthy or
            # not is then unknown, and a function needs no health.
            count = sum(
                one["TargetHealth"]["State"] in {"healthy", "unavailable"}
                for one in health["TargetHealthDescriptions"]
            )
            for balancer in balancers:
                found[balancer] = found.get(balancer, 0) + count
        if not groups.get("NextMarker"):
            return found
        token = {"Marker": groups["NextMarker"]}
