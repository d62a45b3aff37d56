"""Which recommenders of Google's are asked where. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.gcp_resources import asset_name


class Recommender(NamedTuple):
    """One of Google's; `place` is what its recommendations are of: zone, region or global."""

    kind: str
    name: str
    place: str
    permission: str


RECOMMENDERS: Final = tuple(
    Recommender(kind, f"google.{name}", place, f"recommender.{permission}Recommendations.list")
    for kind, name, place, permission in (
        ("gcp.instance", "compute.instance.IdleResourceRecommender", "zone",
         "computeInstanceIdleResource"),
        ("gcp.instance", "compute.instance.MachineTypeRecommender", "zone",
         "computeInstanceMachineType"),
        ("gcp.disk", "compute.disk.IdleResourceRecommender", "zone", "computeDiskIdleResource"),
        ("gcp.compute-address", "compute.address.IdleResourceRecommender", "region",
         "computeAddressIdleResource"),
        ("gcp.image", "compute.image.IdleResourceRecommender", "global",
         "computeImageIdleResource"),
        ("gcp.sql-instance", "cloudsql.instance.IdleRecommender", "region",
         "cloudsqlIdleInstance"),
        ("gcp.sql-instance", "cloudsql.instance.OverprovisionedRecommender", "region",
         "cloudsqlOverprovisionedInstance"),
    )
)  # fmt: skip


def questions(resources: Iterable[FoundResource]) -> list[tuple[str, Recommender]]:
    """(location, recommender) of every place in which something is that a recommender speaks of."""
    found = {
        (location, recommender)
        for resource in resources
        for recommender in RECOMMENDERS
        if recommender.kind == resource.resource_type
        for location in (_location(resource, recommender.place),)
        if location
    }
    return sorted(found)


def targets(advice: Mapping[str, Any]) -> list[str]:
    """The resources that a recommendation would change, by their asset names in small letters."""
    names = {
        str(operation["resource"])
        for group in (advice.get("content") or {}).get("operationGroups", [])
        for operation in group.get("operations", [])
        if operation.get("resource")
    }
    return sorted((asset_name(name) or name).lower() for name in names)


def _location(resource: FoundResource, place: str) -> str | None:
    if place == "global":
        return "global"
    if place == "zone":
        zone = resource.attributes.get("zone")
        return str(zone).rpartition("/")[2] if zone else None
    return resource.region
