"""Changes that overwrite nothing unseen: a row's version is its ETag, and a change names it."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar.params import HeaderParameter

from oco_proxy.middleware.problems import ProblemError

IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="ETag of what you read")
]


def etag(row: Mapping[str, Any]) -> str:
    """The ETag of a row with a `version`."""
    return f'"{row["version"]}"'


def needed(if_match: str | None, what: str) -> str:
    """The ETag that a change of a `what` names, `*` for any.

    Raises:
        ProblemError: 428 when there is none.
    """
    if if_match is None:
        raise ProblemError(
            428, "if_match_required", f"Send the {what}'s ETag as If-Match; GET returns it."
        )
    return if_match.strip()


def check_unchanged(row: Mapping[str, Any], wanted: str, what: str) -> None:
    """Refuse to change what is not what was read.

    Raises:
        ProblemError: 412 when the row has another version.
    """
    if wanted not in {etag(row), "*"}:
        raise ProblemError(412, "changed_meanwhile", f"The {what} was changed since you read it.")


def changes_of(data: msgspec.Struct) -> dict[str, Any]:
    """The fields that a change names, in the order of the struct."""
    return {
        name: value
        for name in data.__struct_fields__
        if (value := getattr(data, name)) is not msgspec.UNSET
    }
