"""What a listing found, as plain typed values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

Status = Literal["complete", "lacking", "denied", "failed"]
# The name under which the metrics of an account stand among its listings.
METRICS: Final = "metrics"
# And what a cloud itself recommends.
ADVICE: Final = "recommendations"
# Where that stands among the attributes of a resource, in a namespace of ours.
RECOMMENDATIONS: Final = "oco:recommendations"


@dataclass(frozen=True, slots=True)
class FoundResource:
    """One row of `oco.resources`; the column comments there say what each field means.

    Tags are None where they may not be read, which is not the same as that there are none.
    """

    provider: str
    account_id: str
    resource_id: str
    resource_type: str
    resource_name: str | None = None
    region: str | None = None
    state: str | None = None
    size: str | None = None
    tags: Mapping[str, str] | None = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """How an attempt to list one kind of resource in one place ended.

    Attributes:
        account_id: account that owns the resources.
        region: empty where all regions were listed at once.
        resource_type: kind.
        status: `complete`; `lacking` when every resource was listed and details of some were not;
            `denied` or `failed` when there may be more than was found.
        found: resources, also those before a failure.
        permissions: that are missing.
        problem: what went wrong, in one line.
    """

    account_id: str
    region: str
    resource_type: str
    status: Status
    found: Sequence[FoundResource] = ()
    permissions: Sequence[str] = ()
    problem: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether what it does not have does not exist."""
        return self.status in {"complete", "lacking"}


def as_json(value: Any) -> Any:
    """A document of an SDK as JSON knows it: times are ISO text, keys are text."""
    made: Any = str(value)
    if isinstance(value, Mapping):
        made = {str(key): as_json(inner) for key, inner in value.items()}
    elif isinstance(value, list | tuple | set):
        made = [as_json(inner) for inner in value]
    elif isinstance(value, datetime | date):
        made = value.isoformat()
    elif isinstance(value, Decimal):
        made = float(value)
    elif isinstance(value, str):
        # PostgreSQL's jsonb takes no such character.
        made = value.replace("\x00", "")
    elif value is None or isinstance(value, bool | int | float):
        made = value
    return made
