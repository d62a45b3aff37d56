"""EC2 instances."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place, tags_of
from oco_pipelines.inventory.aws_shapes import learn_shapes, shape_facts
from oco_pipelines.inventory.facts import aws_family, known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.ec2"
# As in "User initiated (2026-10-02 08:15:00 GMT)".
_SINCE: Final = re.compile(r"\((\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) (?:GMT|UTC)\)")


def instances(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The instances of a place, but for terminated ones: AWS shows those for an hour longer."""
    for page in aws.pages("ec2", place.region, "describe_instances"):
        documents = [
            one
            for reservation in page["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] != "terminated"
        ]
        learn_shapes(aws, place, (one["InstanceType"] for one in documents))
        for one in documents:
            yield instance(place, as_json(one))


def instance(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeInstances."""
    size, state = document["InstanceType"], document["State"]["Name"]
    family, generation = aws_family(size)
    volumes = [
        device["Ebs"]["VolumeId"]
        for device in document.get("BlockDeviceMappings", [])
        if "VolumeId" in device.get("Ebs", {})
    ]
    facts = known(
        created_at=_created_at(document),
        stopped_since=stopped_since(document) if state == "stopped" else None,
        volume_ids=volumes,
        source_id=document.get("ImageId"),
        family=family,
        generation=generation,
        public=bool(document.get("PublicIpAddress")),
        interruptible=document.get("InstanceLifecycle") == "spot",
        autoscaling_group=tags_of(document).get("aws:autoscaling:groupName"),
        **shape_facts(place, size),
    )
    draft = place.resource(KIND, document["InstanceId"], document)
    return draft.found(facts, state=state, size=size)


def stopped_since(document: Mapping[str, Any]) -> str | None:
    """When an instance was stopped, as far as AWS says why it is."""
    match = _SINCE.search(document.get("StateTransitionReason") or "")
    if match is None:
        return None
    return datetime.fromisoformat(match[1]).replace(tzinfo=UTC).isoformat()


def _created_at(document: Mapping[str, Any]) -> str | None:
    """LaunchTime is that of the newest start: disks and interfaces stay attached from the first."""
    times = [
        moment(document.get("LaunchTime")),
        *(
            moment(device.get("Ebs", {}).get("AttachTime"))
            for device in document.get("BlockDeviceMappings", [])
        ),
        *(
            moment(interface.get("Attachment", {}).get("AttachTime"))
            for interface in document.get("NetworkInterfaces", [])
        ),
    ]
    return min((time for time in times if time is not None), default=None)
