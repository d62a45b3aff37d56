"""What the bill calls a resource, where a cloud's own API calls it otherwise.

Azure's bills write identifiers in small letters or not, and Google's with numbers in place of
names: the spelling that charges have is taken, so that a resource meets its costs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from oco_pipelines.inventory.found import FoundResource
from oco_warehouse.database import Warehouse

_LOOKED_BACK: Final = timedelta(days=35)


def bill_names(warehouse: Warehouse, provider: str, account_id: str) -> dict[str, str]:
    """{identifier in small letters: as the newest charges of an account have it}."""
    rows = warehouse.query(
        "SELECT DISTINCT ON (lower(resource_id)) resource_id FROM oco.cloud_costs "
        "WHERE provider = %s AND account_id = %s AND valid_to IS NULL AND resource_id IS NOT NULL "
        "AND date >= (now() - %s)::date ORDER BY lower(resource_id), date DESC",
        [provider, account_id, _LOOKED_BACK],
    )
    return {row["resource_id"].lower(): row["resource_id"] for row in rows}


def as_on_the_bill(
    resource: FoundResource, candidates: Iterable[str], names: Mapping[str, str]
) -> FoundResource:
    """The resource under the first of its names that is on the bill; else as it is."""
    for candidate in (resource.resource_id, *candidates):
        name = names.get(candidate.lower())
        if name is not None:
            return replace(resource, resource_id=name)
    return resource
