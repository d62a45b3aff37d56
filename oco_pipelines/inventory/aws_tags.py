"""Tags of services that do not give them with their resources, by the Tagging API."""

from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place

_SERVICE: Final = "resourcegroupstaggingapi"


def tags_by_arn(aws: Aws, place: Place, kind: str) -> dict[str, list[dict[str, str]]]:
    """{ARN: its tags as a list} of a kind as in lambda:function; empty where it is denied.

    Args:
        aws: the account.
        place: the region.
        kind: as the Tagging API calls it.
    """
    found: dict[str, list[dict[str, str]]] = {}
    request: dict[str, Any] = {"ResourceTypeFilters": [kind]}
    while True:
        answer = aws.detail(_SERVICE, place.region, "get_resources", **request)
        if answer is None:
            return found
        for one in answer.get("ResourceTagMappingList", []):
            found[one["ResourceARN"]] = list(one.get("Tags", []))
        if not answer.get("PaginationToken"):
            return found
        request["PaginationToken"] = answer["PaginationToken"]
