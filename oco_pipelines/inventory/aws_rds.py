"""RDS instances, those of Aurora clusters among them, and snapshots that were taken by hand."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.aws_shapes import learn_shapes, shape_facts
from oco_pipelines.inventory.facts import aws_family, known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.rds"
SNAPSHOT_KIND: Final = "aws.rds-snapshot"
# A stopped instance is started again after so long.
_LONGEST_STOP: Final = timedelta(days=7)


def databases(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The database instances of a place."""
    for page in aws.pages("rds", place.region, "describe_db_instances"):
        documents = page["DBInstances"]
        learn_shapes(aws, place, (_instance_type(one) for one in documents))
        for one in documents:
            yield database(place, _tagged(as_json(one)))


def database(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of DescribeDBInstances, its TagList called Tags."""
    size = document.get("DBInstanceClass")
    family, generation = aws_family(size)
    facts = known(
        created_at=moment(document.get("InstanceCreateTime")),
        stopped_since=_stopped_since(document),
        size_gib=document.get("AllocatedStorage"),
        family=family,
        generation=generation,
        engine=document.get("Engine"),
        multi_az=document.get("MultiAZ"),
        public=document.get("PubliclyAccessible"),
        encrypted=document.get("StorageEncrypted"),
        storage_class=document.get("StorageType"),
        # A class db.NAME runs on the EC2 instance type NAME.
        **shape_facts(place, _instance_type(document)),
    )
    return place.resource(KIND, document["DBInstanceArn"], document).found(
        facts,
        name=document.get("DBInstanceIdentifier"),
        state=document.get("DBInstanceStatus"),
        size=size,
    )


def database_snapshots(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """Snapshots that were taken by hand: automatic ones end with their retention."""
    names = place.listed.get(KIND)
    existing = None if names is None else frozenset(one.resource_name for one in names)
    for page in aws.pages("rds", place.region, "describe_db_snapshots", SnapshotType="manual"):
        for one in page["DBSnapshots"]:
            yield database_snapshot(place, _tagged(as_json(one)), existing)


def database_snapshot(
    place: Place, document: Mapping[str, Any], existing: frozenset[str | None] | None
) -> FoundResource:
    """Of a document of DescribeDBSnapshots; `existing` are names of instances, where known."""
    source = document.get("DBInstanceIdentifier")
    facts = known(
        created_at=moment(document.get("SnapshotCreateTime")),
        size_gib=document.get("AllocatedStorage"),
        engine=document.get("Engine"),
        encrypted=document.get("Encrypted"),
        source_id=source,
        source_exists=None if existing is None or source is None else source in existing,
    )
    return place.resource(SNAPSHOT_KIND, document["DBSnapshotArn"], document).found(
        facts, name=document.get("DBSnapshotIdentifier"), state=document.get("Status")
    )


def _instance_type(document: Mapping[str, Any]) -> str:
    return str(document.get("DBInstanceClass") or "").removeprefix("db.")


def _stopped_since(document: Mapping[str, Any]) -> str | None:
    restart = moment(document.get("AutomaticRestartTime"))
    if document.get("DBInstanceStatus") != "stopped" or restart is None:
        return None
    return (datetime.fromisoformat(restart) - _LONGEST_STOP).isoformat()


def _tagged(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "Tags": document.get("TagList", [])}
