"""Writes listings into `oco.resources`, and how they ended into `oco.inventory_listings`.

A resource ends when a listing of everything in its place no longer has it. A listing that was
denied or broke off ends nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.types.json import Jsonb

from oco_pipelines.inventory.found import FoundResource, Listing
from oco_warehouse.database import Connection, Warehouse, copy_rows, lock

_COLUMNS: Final = (
    *("provider", "account_id", "resource_id", "resource_type", "resource_name", "region"),
    *("state", "size", "tags", "attributes", "facts"),
)
_STAGE: Final = """
    CREATE TEMPORARY TABLE found_resources ON COMMIT DROP AS
    SELECT provider, account_id, resource_id, resource_type, resource_name, region, state, size,
        tags, attributes, facts
    FROM oco.resources WITH NO DATA
"""
# What a cloud does not date began when a listing first saw it. The fact is there only while it
# lasts, so that the one of the listing before is the beginning.
_SINCE: Final = """
    UPDATE found_resources AS found SET facts = facts || jsonb_build_object(
        %(fact)s::text,
        coalesce(
            (SELECT known.facts ->> %(fact)s FROM oco.resources AS known
             WHERE known.provider = found.provider AND known.account_id = found.account_id
               AND known.resource_id = found.resource_id AND known.deleted_at IS NULL),
            to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
        )
    )
    WHERE NOT facts ? %(fact)s AND CASE WHEN %(fact)s = 'unattached_since'
        THEN facts ->> 'attached' = 'false'
        ELSE resource_type = ANY (%(machines)s) AND lower(state) = ANY (%(stopped)s) END
"""
# Tags that may not be read are those of the last listing that could; where that had none, too, it
# is not known whether it could, so that they are unknown.
_KEEP_TAGS: Final = """
    UPDATE found_resources AS found SET
        tags = known.tags,
        attributes = found.attributes || jsonb_strip_nulls(
            jsonb_build_object('Tags', known.attributes -> 'Tags')
        )
    FROM oco.resources AS known
    WHERE found.tags IS NULL AND known.provider = found.provider
        AND known.account_id = found.account_id AND known.resource_id = found.resource_id
        AND known.tags <> '{}'
"""
_UNKNOWN_TAGS: Final = """
    UPDATE found_resources SET tags = '{}', facts = facts || '{"tags_known": false}'
    WHERE tags IS NULL
"""
_MACHINES: Final = ["aws.ec2", "azure.vm", "gcp.instance"]
# Azure's "VM stopped" is still paid for as a machine.
_STOPPED: Final = ["stopped", "terminated", "suspended", "vm deallocated"]
_MERGE: Final = """
    INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, resource_name,
        region, state, size, tags, attributes, facts)
    SELECT DISTINCT ON (provider, account_id, resource_id)
        provider, account_id, resource_id, resource_type, resource_name, region, state, size,
        tags, attributes, facts
    FROM found_resources
    ORDER BY provider, account_id, resource_id
    ON CONFLICT (provider, account_id, resource_id) DO UPDATE SET
        resource_type = excluded.resource_type, resource_name = excluded.resource_name,
        region = excluded.region, state = excluded.state, size = excluded.size,
        tags = excluded.tags, attributes = excluded.attributes, facts = excluded.facts,
        last_seen_at = now(), deleted_at = NULL
"""
_END: Final = """
    UPDATE oco.resources AS known SET deleted_at = now()
    WHERE known.provider = %(provider)s AND known.account_id = %(account_id)s
        AND known.resource_type = %(resource_type)s
        AND (%(region)s = '' OR known.region = %(region)s) AND known.deleted_at IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM found_resources AS found
            WHERE found.resource_id = known.resource_id
                AND found.provider = known.provider AND found.account_id = known.account_id
        )
"""
_TELL: Final = """
    INSERT INTO oco.inventory_listings AS known (source, provider, account_id, region,
        resource_type, status, permission, problem, resources, complete_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END)
    ON CONFLICT (source, account_id, region, resource_type) DO UPDATE SET
        provider = excluded.provider, status = excluded.status, permission = excluded.permission,
        problem = excluded.problem, resources = excluded.resources, attempted_at = now(),
        complete_at = coalesce(excluded.complete_at, known.complete_at)
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How many resources a listing had, and how many it no longer has."""

    found: int
    ended: int


def write_listing(warehouse: Warehouse, source: str, provider: str, listing: Listing) -> Written:
    """Bring the resources of one kind in one place up to a listing, in one transaction.

    Args:
        warehouse: the warehouse.
        source: account of OCO_SOURCES.
        provider: of the resources.
        listing: what was found.
    """
    with warehouse.transaction() as connection:
        lock(connection, "resources")
        _stage(connection, listing.found)
        ended = 0
        if listing.is_whole:
            ended = connection.execute(
                _END,
                {
                    "provider": provider,
                    "account_id": listing.account_id,
                    "resource_type": listing.resource_type,
                    "region": listing.region,
                },
            ).rowcount
        tell_listing(connection, source, provider, listing)
    return Written(len(listing.found), ended)


def tell_listing(connection: Connection, source: str, provider: str, listing: Listing) -> None:
    """Keep how a listing ended."""
    connection.execute(
        _TELL,
        [
            source,
            provider,
            listing.account_id,
            listing.region,
            listing.resource_type,
            listing.status,
            ", ".join(listing.permissions) or None,
            listing.problem,
            len(listing.found),
            listing.is_whole,
        ],
    )


def forget_other_listings(
    warehouse: Warehouse, source: str, kept: Iterable[tuple[str, str, str]]
) -> int:
    """Forget places that an account is no longer asked to list; their resources stay as they were.

    Args:
        warehouse: the warehouse.
        source: account of OCO_SOURCES.
        kept: (account, region, kind) of the listings of this run.
    """
    places = list(kept)
    return warehouse.execute(
        "DELETE FROM oco.inventory_listings AS known WHERE source = %s AND NOT EXISTS ("
        "SELECT 1 FROM unnest(%s::text[], %s::text[], %s::text[]) AS kept (account, place, kind) "
        "WHERE kept.account = known.account_id AND kept.place = known.region "
        "AND kept.kind = known.resource_type)",
        [
            source,
            [account for account, _, _ in places],
            [region for _, region, _ in places],
            [kind for _, _, kind in places],
        ],
    )


def forget_other_sources(warehouse: Warehouse, sources: Iterable[str]) -> int:
    """Forget how listings of accounts ended that are no longer configured; returns how many."""
    return warehouse.execute(
        "DELETE FROM oco.inventory_listings WHERE NOT (source = ANY (%s))", [list(sources)]
    )


def write_resources(warehouse: Warehouse, found: Sequence[FoundResource]) -> int:
    """Write resources of no listing, as the sample's; none ends. Returns how many."""
    with warehouse.transaction() as connection:
        lock(connection, "resources")
        _stage(connection, found)
    return len(found)


def _stage(connection: Connection, found: Sequence[FoundResource]) -> None:
    connection.execute(_STAGE)
    copy_rows(
        connection,
        "found_resources",
        _COLUMNS,
        (
            [
                *(one.provider, one.account_id, one.resource_id, one.resource_type),
                *(one.resource_name, one.region, one.state, one.size),
                *(
                    None if one.tags is None else Jsonb(dict(one.tags)),
                    Jsonb(dict(one.attributes)),
                    Jsonb(dict(one.facts)),
                ),
            ]
            for one in found
        ),
    )
    connection.execute("ANALYZE found_resources")
    for fact in ("stopped_since", "unattached_since"):
        connection.execute(_SINCE, {"fact": fact, "machines": _MACHINES, "stopped": _STOPPED})
    connection.execute(_KEEP_TAGS)
    connection.execute(_UNKNOWN_TAGS)
    connection.execute(_MERGE)
