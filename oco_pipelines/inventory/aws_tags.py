"""Tags of services that do not give them with their resources, by the Tagging API."""

from collections.abc import Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place

_SERVICE: Final = "resourcegroupstaggingapi"


Tags = list[dict[str, str]]


def tags_by_arn(aws: Aws, place: Place, kind: str) -> dict[str, Tags] | None:
    """{ARN: its tags as a list} of a kind as in lambda:function; None where it is denied.

    Args:
        aws: the account.
        place: the region.
        kind: as the Tagging API calls it.
    """
    found: dict[str, Tags] = {}
    request: dict[str, Any] = {"ResourceTypeFilters": [kind]}
    while True:
        answer = aws.detail(_SERVICE, place.region, "get_resources", **request)
        if answer is None:
            return None
        for one in answer.get("ResourceTagMappingList", []):
            found[one["ResourceARN"]] = list(one.get("Tags", []))
        if not answer.get("PaginationToken"):
            return found
        request["PaginationToken"] = answer["PaginationToken"]


def told_of(tags: Mapping[str, Tags] | None, arn: str) -> Tags | None:
    """The tags of one resource: a resource without any is not told of."""
    return None if tags is None else tags.get(arn, [])
