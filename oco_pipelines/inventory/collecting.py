"""What a run of any cloud did: its listings, written one by one, and what its metadata says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from oco_pipelines.inventory.found import METRICS, FoundResource, Listing, Status
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.store import Written, tell_listing, write_listing
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError, UpstreamError

Say = Callable[[str], object]


@dataclass(slots=True)
class Collected:
    """What a run did so far.

    Attributes:
        source: account of OCO_SOURCES.
        provider: of its resources.
        places: (account, region, kind) of every listing.
        rows: resources by kind.
        ended: resources that are gone.
        missing: {permission: kinds that lack it}.
        problems: one line each.
        transient: the first failure that trying again may mend.
    """

    source: str
    provider: str
    places: list[tuple[str, str, str]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    missing: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    transient: UpstreamError | None = None

    def metadata(self, **more: Any) -> dict[str, Any]:
        """Of the asset's materialisation."""
        return {
            "rows": sum(self.rows.values()),
            "by_kind": dict(sorted(self.rows.items())),
            "ended": self.ended,
            "listings": len(self.places),
            "missing_permissions": {
                permission: ", ".join(sorted(kinds))
                for permission, kinds in sorted(self.missing.items())
            },
            "problems": self.problems,
            **more,
        }


def list_kind(
    collected: Collected,
    account_id: str,
    region: str,
    kind: str,
    resources: Iterator[FoundResource],
    lacking: Callable[[], list[str]] = list,
) -> Listing:
    """Run a listing to its end, or to where it breaks off; what was found until then is kept.

    Args:
        collected: keeps what went wrong.
        account_id: owner of the resources.
        region: empty for all regions.
        kind: of the resources.
        resources: as they are found.
        lacking: permissions that details lacked, asked at the end.
    """
    found: list[FoundResource] = []
    status: Status = "complete"
    permissions: list[str] = []
    problem = None
    try:
        found.extend(resources)
    except MissingPermission as denied:
        status, permissions, problem = "denied", [denied.permission], str(denied)
    except UpstreamError as error:
        status, problem = "failed", str(error)
        collected.transient = collected.transient or error
    except (InvalidInputError, NotFoundError) as error:
        status, problem = "failed", str(error)
    else:
        permissions = lacking()
        if permissions:
            status = "lacking"
            problem = f"{kind} in {region or 'all regions'}: details need {', '.join(permissions)}"
            if any(one.tags is None for one in found):
                problem += "; tags stay as they were last read, or unknown"
    return Listing(account_id, region, kind, status, found, permissions, problem)


def keep(warehouse: Warehouse, collected: Collected, listing: Listing, say: Say) -> Written:
    """Write a listing and remember how it ended."""
    written = write_listing(warehouse, collected.source, collected.provider, listing)
    _remember(collected, listing, say)
    collected.rows[listing.resource_type] = (
        collected.rows.get(listing.resource_type, 0) + written.found
    )
    collected.ended += written.ended
    return written


def keep_metrics(warehouse: Warehouse, collected: Collected, listing: Listing, say: Say) -> None:
    """Keep how the reading of metrics ended, among the listings."""
    with warehouse.transaction() as connection:
        tell_listing(connection, collected.source, collected.provider, listing)
    _remember(collected, listing, say)


def metrics_listing(
    collected: Collected,
    account_id: str,
    region: str,
    read: Callable[[], None],
    lacking: Callable[[], list[str]] = list,
) -> Listing:
    """Read metrics; what that ends with is told as of a listing without resources."""

    def nothing() -> Iterator[FoundResource]:
        read()
        yield from ()

    return list_kind(collected, account_id, region, METRICS, nothing(), lacking)


def _remember(collected: Collected, listing: Listing, say: Say) -> None:
    collected.places.append((listing.account_id, listing.region, listing.resource_type))
    for permission in listing.permissions:
        collected.missing.setdefault(permission, set()).add(listing.resource_type)
    if listing.problem is not None:
        collected.problems.append(listing.problem)
        say(listing.problem)
