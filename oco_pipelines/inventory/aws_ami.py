"""Images of one's own (AMIs)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory import aws_ec2
from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.ami"


def images(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The images that the account owns in a place."""
    templates = _images_of_templates(aws, place)
    for page in aws.pages("ec2", place.region, "describe_images", Owners=["self"]):
        for one in page["Images"]:
            yield image(place, as_json(one), templates)


def image(
    place: Place, document: Mapping[str, Any], of_templates: frozenset[str] | None
) -> FoundResource:
    """Of a document of DescribeImages.

    Args:
        place: where.
        document: the image.
        of_templates: images that launch templates start; None when that is not known.
    """
    image_id = document["ImageId"]
    facts = known(
        created_at=moment(document.get("CreationDate")),
        size_gib=sum(
            device.get("Ebs", {}).get("VolumeSize", 0)
            for device in document.get("BlockDeviceMappings", [])
        )
        or None,
        in_use=_in_use(place, image_id, of_templates),
        source_id=document.get("SourceInstanceId"),
        public=document.get("Public"),
    )
    draft = place.resource(KIND, image_id, document)
    return draft.found(facts, name=document.get("Name"), state=document.get("State"))


def _in_use(place: Place, image_id: str, of_templates: frozenset[str] | None) -> bool | None:
    """Whether an instance runs on it or a launch template starts it; None when not all is known."""
    running = place.listed.get(aws_ec2.KIND)
    if running is not None and any(one.facts.get("source_id") == image_id for one in running):
        return True
    if of_templates is not None and image_id in of_templates:
        return True
    return None if running is None or of_templates is None else False


def _images_of_templates(aws: Aws, place: Place) -> frozenset[str] | None:
    """Images of the default and the newest version of each launch template."""
    found: set[str] = set()
    names = [
        one["LaunchTemplateId"]
        for answer in _template_pages(aws, place)
        for one in answer["LaunchTemplates"]
    ]
    if aws.lacking:
        return None
    for name in names:
        answer = aws.detail(
            "ec2",
            place.region,
            "describe_launch_template_versions",
            LaunchTemplateId=name,
            Versions=["$Default", "$Latest"],
        )
        if answer is None:
            return None
        found |= {
            version["LaunchTemplateData"].get("ImageId", "")
            for version in answer["LaunchTemplateVersions"]
        }
    return frozenset(found - {""})


def _template_pages(aws: Aws, place: Place) -> Iterator[dict[str, Any]]:
    token: dict[str, Any] = {}
    while True:
        answer = aws.detail("ec2", place.region, "describe_launch_templates", **token)
        if answer is None:
            return
        yield answer
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}
