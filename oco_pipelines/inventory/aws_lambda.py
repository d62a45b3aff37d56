"""Lambda functions."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place
from oco_pipelines.inventory.aws_tags import tags_by_arn, told_of
from oco_pipelines.inventory.facts import known
from oco_pipelines.inventory.found import FoundResource, as_json

KIND: Final = "aws.lambda"
_MIB_A_GIB: Final = 1024


def functions(aws: Aws, place: Place) -> Iterator[FoundResource]:
    """The functions of a place, with their tags."""
    tags = tags_by_arn(aws, place, "lambda:function")
    for page in aws.pages("lambda", place.region, "list_functions"):
        for one in page["Functions"]:
            document = {**as_json(one), "Tags": told_of(tags, one["FunctionArn"])}
            # A secret of its owner's: nothing reads it here, and nothing keeps it.
            document.pop("Environment", None)
            yield function(place, document)


def function(place: Place, document: Mapping[str, Any]) -> FoundResource:
    """Of a document of ListFunctions."""
    memory = document.get("MemorySize")
    facts = known(memory_gib=None if memory is None else memory / _MIB_A_GIB)
    return place.resource(KIND, document["FunctionArn"], document).found(
        facts,
        name=document.get("FunctionName"),
        state=document.get("State"),
        size=None if memory is None else f"{memory} MB",
    )
