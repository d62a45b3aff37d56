"""S3 buckets: of an account as a whole, whatever the region they are in."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.s3"
# Of S3 in us-east-1, whose buckets have no location, and of buckets from before there were regions.
_NAMES: Final = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}
# What is asked about a bucket, the field of the answer (all of it where there is none), and where
# it stands in the document: where Cloud Custodian has it.
_DETAILS: Final = (
    ("get_bucket_tagging", "TagSet", "Tags"),
    ("get_bucket_encryption", "ServerSideEncryptionConfiguration", "Encryption"),
    ("get_public_access_block", "PublicAccessBlockConfiguration", "PublicAccessBlock"),
    ("get_bucket_policy_status", "PolicyStatus", "PolicyStatus"),
    ("get_bucket_lifecycle_configuration", None, "Lifecycle"),
)


def buckets(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """Every bucket of the account, with what its region tells about it."""
    for page in aws.pages("s3", place.region, "list_buckets"):
        for one in page.get("Buckets", []):
            name = one["Name"]
            region = one.get("BucketRegion") or _region(aws, place, name)
            details = {
                field: _told(
                    aws.detail("s3", region or place.region, operation, Bucket=name), wanted
                )
                for operation, wanted, field in _DETAILS
            }
            # A bucket without tags answers as one that has no such thing.
            may_read = "s3:GetBucketTagging" not in aws.lacking
            tags = details["Tags"] or ([] if may_read else None)
            document = {**as_json(one), **as_json(details), "Tags": as_json(tags)}
            home = Place(place.account_id, region or place.region)
            yield bucket(home, document, frozenset(aws.lacking))


def _told(answer: Mapping[str, Any] | None, wanted: str | None) -> Any:
    if answer is None:
        return None
    if wanted is not None:
        return answer.get(wanted)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def bucket(place: Place, document: Mapping[str, Any], lacking: frozenset[str]) -> FoundResource:
    """Of a bucket's document.

    Args:
        place: where the bucket is.
        document: as ListBuckets has it, with its details.
        lacking: permissions without which nothing is known.
    """
    block = document.get("PublicAccessBlock") or {}
    closed = all(block.get(name) for name in ("IgnorePublicAcls", "RestrictPublicBuckets"))
    open_policy = (document.get("PolicyStatus") or {}).get("IsPublic")
    facts = known(
        created_at=moment(document.get("CreationDate")),
        # S3 encrypts every new object; a bucket whose own rule is known says so itself.
        encrypted=True if document.get("Encryption") else None,
        public=(
            None
            if lacking & {"s3:GetBucketPublicAccessBlock", "s3:GetBucketPolicyStatus"}
            else bool(open_policy) and not closed
        ),
    )
    name = document["Name"]
    return place.resource(KIND, name, document).found(facts, name=name)


def _region(aws: Aws, place: Place, name: str) -> str | None:
    answer = aws.detail("s3", place.region, "get_bucket_location", Bucket=name)
    if answer is None:
        return None
    found = answer.get("LocationConstraint")
    return _NAMES.get(found, found)
