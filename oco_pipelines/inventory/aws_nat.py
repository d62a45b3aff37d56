"""NAT gateways."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.nat-gateway"


def nat_gateways(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The gateways of a place, but for deleted ones: AWS shows those for an hour longer."""
    for page in aws.pages("ec2", place.region, "describe_nat_gateways"):
        for one in page["NatGateways"]:
            if one.get("State") not in {"deleted", "failed"}:
                yield nat_gateway(place, as_json(one))


def nat_gateway(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeNatGateways."""
    facts = known(
        created_at=moment(document.get("CreateTime")),
        public=document.get("ConnectivityType", "public") == "public",
    )
    gateway = document["NatGatewayId"]
    arn = place.arn("ec2", f"natgateway/{gateway}")
    draft = place.resource(KIND, arn, document)
    return draft.found(facts, state=document.get("State"), size=document.get("ConnectivityType"))
