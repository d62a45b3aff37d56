"""Resources of the inventory and resources of the bill, as documents, in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import msgspec
from psycopg import sql

from oco_warehouse.database import Connection
from oco_warehouse.last_seen import UNSEEN, unseen_since
from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.resource_figures import ResourceFigures, Sums
from oco_warehouse.policy_engine.subjects import BATCH_ROWS, Chunk, Subject, owner_of
from oco_warehouse.policy_engine.windows import newest_cost_days

# What is judged as a whole must fit in memory.
LARGEST_GROUP: Final = 200_000
_TAG_MEMBERS: Final = ("Tags", "labels", "tags")
_KINDS: Final = """
    SELECT DISTINCT resource_type FROM oco.resources WHERE deleted_at IS NULL ORDER BY 1
"""
# What no listing has seen for days is not judged by how it was then.
_JUDGED: Final = (
    f"resource.deleted_at IS NULL AND resource.resource_type = %(kind)s AND NOT {UNSEEN}"
)
_RESOURCES: Final = f"""
    SELECT provider, account_id, resource_id, resource_type, resource_name, region, state, size,
           tags::text AS tags, attributes::text AS attributes, facts::text AS facts
    FROM oco.resources AS resource
    WHERE {_JUDGED}
"""  # noqa: S608 - constants
_BY_GROUP: Final = sql.SQL(" ORDER BY provider, account_id, region, resource_id")
_LARGEST: Final = f"""
    SELECT max(count) AS largest FROM (
        SELECT count(*) AS count FROM oco.resources AS resource
        WHERE {_JUDGED} GROUP BY provider, account_id, region
    ) AS groups
"""  # noqa: S608 - constants
_BILLED: Final = """
    SELECT provider, account_id, resource_id,
           (array_agg(tags::text ORDER BY charge_period_start DESC))[1] AS tags,
           (array_agg(region ORDER BY charge_period_start DESC))[1] AS region,
           (array_agg(service ORDER BY charge_period_start DESC))[1] AS service,
           (array_agg(resource_type ORDER BY charge_period_start DESC))[1] AS resource_type,
           (array_agg(resource_name ORDER BY charge_period_start DESC))[1] AS resource_name
    FROM oco.cloud_costs
    JOIN oco_policy_newest AS newest USING (provider)
    WHERE valid_to IS NULL AND charge_category = 'Usage' AND resource_id IS NOT NULL
      AND date > %(after)s AND date <= %(latest)s
      AND date > newest.last - %(days)s::integer AND date <= newest.last
    GROUP BY provider, account_id, resource_id
"""
_BILLED_MEMBERS: Final = (
    *("provider", "account_id", "resource_id", "resource_type", "resource_name", "region"),
    "service",
)
_decode: Final = msgspec.json.Decoder().decode


def kinds(connection: Connection) -> list[str]:
    """Kinds of resources that there are."""
    return [row["resource_type"] for row in connection.execute(_KINDS).fetchall()]


def largest_group(connection: Connection, kind: str, now: datetime) -> int:
    """How many resources of a kind an account and region has at most."""
    row = connection.execute(_LARGEST, _of(kind, now)).fetchone()
    return row["largest"] or 0 if row else 0


def resources(
    connection: Connection, kind: str, sums: Sums, now: datetime, *, whole_groups: bool
) -> Iterator[Chunk]:
    """Resources of a kind that exist, and that a listing has seen of late.

    With `whole_groups` a chunk is all of one account and region, as a run of Cloud Custodian is.
    """
    statement, priced = sums.joined(_RESOURCES)
    if whole_groups:
        statement = statement + _BY_GROUP
    with connection.cursor(name="oco_policy_rows") as cursor:
        cursor.itersize = BATCH_ROWS
        cursor.execute(statement, _of(kind, now))
        if whole_groups:
            for _, group in groupby(cursor, _place):
                yield _chunk(connection, sums, now, group, _resource, priced)
            return
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield _chunk(connection, sums, now, rows, _resource, priced)


def billed_resources(
    connection: Connection, days: int, sums: Sums, now: datetime
) -> Iterator[Chunk]:
    """Resources that use was charged for in a window, with the newest charge's tags and region."""
    ends = newest_cost_days(connection)
    if ends is None:
        return
    statement, priced = sums.joined(_BILLED)
    with connection.cursor(name="oco_policy_billed") as cursor:
        cursor.execute(statement, {**ends.bounds(days), "days": days})
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield _chunk(connection, sums, now, rows, _billed, priced)


def _of(kind: str, now: datetime) -> dict[str, Any]:
    return {"kind": kind, "unseen_since": unseen_since(now)}


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["provider"], row["account_id"], row["region"]


def _chunk(
    connection: Connection,
    sums: Sums,
    now: datetime,
    rows: Iterable[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], tuple[Subject, dict[str, Any]]],
    priced: bool,
) -> Chunk:
    subjects, documents, costs = [], [], []
    for row in rows:
        subject, document = read(row)
        subjects.append(subject)
        documents.append(document)
        if priced:
            costs.append(sums.of_row(row))
    figures = ResourceFigures(connection, sums, subjects, costs if priced else None)
    untold = frozenset(place for place, one in enumerate(documents) if _tags_are_unknown(one))
    return Chunk(subjects, Batch(documents, now, figures), untold)


def _resource(row: Mapping[str, Any]) -> tuple[Subject, dict[str, Any]]:
    """The provider's own document, with what we know beside it under `oco`."""
    tags, facts = _decode(row["tags"]), _decode(row["facts"])
    document: dict[str, Any] = _decode(row["attributes"])
    document["oco"] = {
        "provider": row["provider"],
        "account_id": row["account_id"],
        "resource_id": row["resource_id"],
        "resource_type": row["resource_type"],
        "name": row["resource_name"],
        "region": row["region"],
        "state": row["state"],
        "size": row["size"],
        "tags": tags,
        "facts": facts,
    }
    if not any(member in document for member in _TAG_MEMBERS):
        document["tags"] = tags
    return _subject(row, tags, ("resource_type", "region", "state", "size")), document


def _tags_are_unknown(document: Mapping[str, Any]) -> bool:
    """Whether its tags could never be read, so that it seems to have none."""
    ours = document.get("oco")
    return ours is not None and ours["facts"].get("tags_known") is False


def _billed(row: Mapping[str, Any]) -> tuple[Subject, dict[str, Any]]:
    tags = _decode(row["tags"])
    subject = _subject(row, tags, ("resource_type", "region", "service"))
    document = {name: row[name] for name in _BILLED_MEMBERS}
    return subject, {**document, "tags": tags}


def _subject(row: Mapping[str, Any], tags: dict[str, Any], quoted: Sequence[str]) -> Subject:
    facts = {name: row[name] for name in quoted if row[name] is not None}
    return Subject(
        row["provider"],
        row["account_id"],
        row["resource_id"],
        row["resource_name"] or row["resource_id"],
        owner_of(tags),
        {**facts, "tags": tags},
    )
