"""EBS volumes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.ebs"


def volumes(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The volumes of a place."""
    for page in aws.pages("ec2", place.region, "describe_volumes"):
        for one in page["Volumes"]:
            yield volume(place, as_json(one))


def volume(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeVolumes."""
    holders = [
        one["InstanceId"]
        for one in document.get("Attachments", [])
        if one.get("State") != "detached" and one.get("InstanceId")
    ]
    facts = known(
        created_at=moment(document.get("CreateTime")),
        attached=bool(holders),
        attached_to=holders[0] if holders else None,
        size_gib=document.get("Size"),
        source_id=document.get("SnapshotId") or None,
        encrypted=document.get("Encrypted"),
    )
    draft = place.resource(KIND, document["VolumeId"], document)
    return draft.found(facts, state=document.get("State"), size=document.get("VolumeType"))
