"""A region of an AWS account while it is listed: what earlier kinds tell later ones. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from oco_pipelines.inventory.found import FoundResource

_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


class Shape(NamedTuple):
    """What an instance type has."""

    vcpu: int
    memory_gib: float


@dataclass(slots=True)
class Place:
    """A region of an account.

    Attributes:
        account_id: the account.
        region: the region.
        listed: {kind: its resources} of the kinds that were listed whole.
        shapes: {instance type: what it has}; types that AWS does not know are there as None.
    """

    account_id: str
    region: str
    listed: dict[str, Sequence[FoundResource]] = field(default_factory=dict)
    shapes: dict[str, Shape | None] = field(default_factory=dict)

    def arn(self, service: str, resource: str) -> str:
        """Of a resource of this place."""
        partition = next(
            (name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws"
        )
        return f"arn:{partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def ids(self, kind: str) -> frozenset[str] | None:
        """Every resource of a kind; None when it is not known which there are."""
        found = self.listed.get(kind)
        return None if found is None else frozenset(one.resource_id for one in found)

    def resource(self, kind: str, resource_id: str, document: Mapping[str, Any]) -> "_Draft":
        """A resource of this place, to be completed."""
        return _Draft(self, kind, resource_id, document)


@dataclass(frozen=True, slots=True)
class _Draft:
    place: Place
    kind: str
    resource_id: str
    document: Mapping[str, Any]

    def found(
        self,
        facts: Mapping[str, Any],
        *,
        name: str | None = None,
        state: str | None = None,
        size: str | None = None,
    ) -> FoundResource:
        """The resource; without a name it has that of its tag Name. Tags: null are not known."""
        document = self.document
        tags = None if document.get("Tags", ()) is None else tags_of(document)
        if tags is None:
            document = {key: value for key, value in document.items() if key != "Tags"}
        return FoundResource(
            "aws",
            self.place.account_id,
            self.resource_id,
            self.kind,
            name or (tags or {}).get("Name"),
            self.place.region,
            state,
            size,
            tags,
            document,
            facts,
        )


def tags_of(document: Mapping[str, Any]) -> dict[str, str]:
    """{key: value} of the list of tags that a document has."""
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in document.get("Tags") or ()}
