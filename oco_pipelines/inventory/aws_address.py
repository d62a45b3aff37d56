"""Elastic IP addresses."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.network-addr"


def addresses(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The addresses of a place; AWS gives them all at once."""
    for one in aws.ask("ec2", place.region, "describe_addresses")["Addresses"]:
        yield address(place, as_json(one))


def address(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeAddresses."""
    holder = document.get("InstanceId") or document.get("NetworkInterfaceId") or None
    facts = known(
        attached=bool(holder or document.get("AssociationId")), attached_to=holder, public=True
    )
    allocation = document.get("AllocationId") or document["PublicIp"]
    arn = place.arn("ec2", f"elastic-ip/{allocation}")
    draft = place.resource(KIND, arn, document)
    return draft.found(facts, name=document.get("PublicIp"))
