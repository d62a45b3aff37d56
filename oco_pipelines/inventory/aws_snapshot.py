"""EBS snapshots of one's own."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory import aws_ami, aws_ebs
from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.ebs-snapshot"
# What AWS writes as the volume of a snapshot that was copied and has none.
_NO_VOLUME: Final = "vol-ffffffff"


def snapshots(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The snapshots that the account owns in a place."""
    volumes, of_images = place.ids(aws_ebs.KIND), _of_images(place)
    for page in aws.pages("ec2", place.region, "describe_snapshots", OwnerIds=["self"]):
        for one in page["Snapshots"]:
            yield snapshot(place, as_json(one), volumes, of_images)


def snapshot(
    place: Place,
    document: Mapping[str, Any],
    volumes: frozenset[str] | None,
    of_images: frozenset[str] | None,
) -> FoundResource:
    """Of a document of DescribeSnapshots.

    Args:
        place: where.
        document: the snapshot.
        volumes: that exist; None when that is not known.
        of_images: snapshots that images consist of; None when that is not known.
    """
    snapshot_id, source = document["SnapshotId"], document.get("VolumeId")
    source = None if source == _NO_VOLUME else source
    facts = known(
        created_at=moment(document.get("StartTime")),
        size_gib=document.get("VolumeSize"),
        source_id=source,
        source_exists=None if volumes is None or source is None else source in volumes,
        in_use=None if of_images is None else snapshot_id in of_images,
        encrypted=document.get("Encrypted"),
        storage_class=document.get("StorageTier"),
    )
    # The bill has snapshots by their ARN.
    arn = place.arn("ec2", f"snapshot/{snapshot_id}")
    draft = place.resource(KIND, arn, document)
    return draft.found(facts, state=document.get("State"))


def _of_images(place: Place) -> frozenset[str] | None:
    images = place.listed.get(aws_ami.KIND)
    if images is None:
        return None
    return frozenset(
        device["Ebs"]["SnapshotId"]
        for image in images
        for device in image.attributes.get("BlockDeviceMappings", [])
        if device.get("Ebs", {}).get("SnapshotId")
    )
