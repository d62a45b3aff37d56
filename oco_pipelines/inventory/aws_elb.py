"""Classic load balancers."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.elb"
# So many DescribeTags takes at once.
_NAMES_A_REQUEST: Final = 20


def classic_load_balancers(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The classic load balancers of a place, with their tags and their healthy instances."""
    for page in aws.pages("elb", place.region, "describe_load_balancers"):
        documents = page["LoadBalancerDescriptions"]
        tags: dict[str, Any] = {}
        for start in range(0, len(documents), _NAMES_A_REQUEST):
            names = [one["LoadBalancerName"] for one in documents[start : start + _NAMES_A_REQUEST]]
            answer = aws.detail("elb", place.region, "describe_tags", LoadBalancerNames=names)
            if answer is None:
                tags.update(dict.fromkeys(names))
                continue
            for told in answer.get("TagDescriptions", []):
                tags[told["LoadBalancerName"]] = told.get("Tags", [])
        for one in documents:
            name = one["LoadBalancerName"]
            health = aws.detail(
                "elb", place.region, "describe_instance_health", LoadBalancerName=name
            )
            states = None if health is None else health.get("InstanceStates", [])
            document = {**as_json(one), "Tags": as_json(tags.get(name, []))}
            yield classic_load_balancer(place, document, states)


def classic_load_balancer(
    place: Place, document: Mapping[str, Any], health: list[Mapping[str, Any]] | None
) -> FoundResource:
    """Of a document of DescribeLoadBalancers, and the states of its instances where known."""
    name = document["LoadBalancerName"]
    facts = known(
        created_at=moment(document.get("CreatedTime")),
        public=document.get("Scheme") == "internet-facing",
        targets=(
            None
            if health is None
            else sum(instance.get("State") == "InService" for instance in health)
        ),
    )
    arn = place.arn("elasticloadbalancing", f"loadbalancer/{name}")
    return place.resource(KIND, arn, document).found(facts, name=name, size="classic")
