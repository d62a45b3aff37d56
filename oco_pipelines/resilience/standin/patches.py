"""The kinds of patches that clients send. Pure."""

import copy
from typing import Any, Final

from oco_pipelines.resilience.standin.objects import ApiError, merge_patch
from oco_pipelines.resilience.standin.resources import Json, Resource

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"


def apply_patch(kept: Json, patch: Any, content_type: str, resource: Resource) -> Json:
    """An object after a patch.

    A strategic patch is served for built-in kinds only, as in a real API server; here it replaces
    lists as a merge patch does.

    Raises:
        ApiError: 415 for a kind of patch that is not served, 400 and 422 for a bad one.
    """
    if content_type == JSON_PATCH:
        return _json_patch(kept, patch)
    strategic = content_type == STRATEGIC_PATCH and not resource.is_velero
    if content_type != MERGE_PATCH and not strategic:
        served = ", ".join((JSON_PATCH, MERGE_PATCH))
        raise ApiError(415, "UnsupportedMediaType", f"{content_type!r} is not served: use {served}")
    if not isinstance(patch, dict):
        raise ApiError(400, "BadRequest", "the patch is not an object")
    merged: Json = merge_patch(kept, patch)
    return merged


def _json_patch(kept: Json, patch: Any) -> Json:
    """RFC 6902: add, remove, replace and test."""
    if not isinstance(patch, list):
        raise ApiError(400, "BadRequest", "the patch is not a list")
    body = copy.deepcopy(kept)
    for step in patch:
        try:
            _apply(body, step["op"], _parts(step["path"]), step.get("value"))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = f"the patch cannot be applied at {step!r}: {error}"
            raise ApiError(422, "Invalid", message) from None
    return body


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _apply(body: Any, what: str, parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        body = body[int(part)] if isinstance(body, list) else body[part]
    last: Any = parts[-1]
    if isinstance(body, list):
        last = len(body) if last == "-" else int(last)
        if what == "add":
            body.insert(last, value)
            return
    if what in {"remove", "replace", "test"} and body[last] != value and what == "test":
        raise ValueError("the value is another one")
    if what == "remove":
        del body[last]
    elif what in {"add", "replace"}:
        body[last] = value
    elif what != "test":
        raise ValueError(f"operation {what!r} is not served")
