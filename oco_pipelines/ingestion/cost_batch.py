"""What is kept of a load in `oco.ingestion_batches`, and what a load answers."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from oco_pipelines.ingestion.cost_totals import (
    Totals,
    add_totals,
    totals_from_json,
    totals_json,
)
from oco_pipelines.ingestion.focus_normalise import READER_VERSION, Normalised, Rejected
from oco_warehouse.database import Connection, Warehouse

Status = Literal["loaded", "unchanged"]

# So many rejected rows are told; all of them are in `oco.rejected_rows`.
SHOWN_REJECTS: Final = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a load comes from.

    Attributes:
        source: kind of source, as in focus_files.
        partition: which of the source's partitions.
        content_hash: SHA-256 of what was read, in hex.
        run_id: Dagster's run, if any.
        estimated: whether the provider still calls what was read an estimate.
        siblings: beginning of the names of the source's partitions that are parts of one table with
            this one, so that what they share is no double; None when there are none.
    """

    source: str
    partition: str
    content_hash: str
    run_id: str | None = None
    estimated: bool = False
    siblings: str | None = None


@dataclass(slots=True)
class Read:
    """What was read so far: counts and sums, never the rows themselves."""

    accepted: int = 0
    rejected: int = 0
    totals_source: Totals = field(default_factory=dict)
    totals_accepted: Totals = field(default_factory=dict)
    totals_rejected: Totals = field(default_factory=dict)
    window: tuple[date, date] | None = None
    first_rejected: tuple[Rejected, ...] = ()

    def add(self, rows: Normalised) -> None:
        """Count some more rows."""
        self.accepted += rows.accepted.height
        self.rejected += len(rows.rejected)
        self.totals_source = add_totals(self.totals_source, rows.totals_source)
        self.totals_accepted = add_totals(self.totals_accepted, rows.totals_accepted)
        self.totals_rejected = add_totals(self.totals_rejected, rows.totals_rejected)
        self.first_rejected = (self.first_rejected + rows.rejected)[:SHOWN_REJECTS]
        if rows.window:
            first, last = self.window or rows.window
            self.window = min(first, rows.window[0]), max(last, rows.window[1])


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        status: `unchanged` when the same content was loaded before.
        totals_loaded: sums over the partition as it is believed now.
        first_rejected: at most SHOWN_REJECTS of the rejected rows.
    """

    batch_id: UUID
    status: Status
    rows: int
    accepted: int
    rejected: int
    inserted: int
    closed: int
    totals_source: Totals
    totals_accepted: Totals
    totals_rejected: Totals
    totals_loaded: Totals
    window: tuple[date, date] | None
    first_rejected: tuple[Rejected, ...]


def begin_batch(connection: Connection, batch: UUID, origin: Origin) -> datetime:
    """Record a load that others see only once it is whole; returns the moment of its beginning.

    Not now(): that is when we began to wait for the lock, maybe before the last load's moment.
    """
    rows = connection.execute(
        "INSERT INTO oco.ingestion_batches (id, source, source_partition, content_hash, status, "
        "run_id, reader_version, estimated, started_at) "
        "VALUES (%s, %s, %s, %s, 'running', %s, %s, %s, clock_timestamp()) RETURNING started_at",
        [
            *(batch, origin.source, origin.partition, origin.content_hash),
            *(origin.run_id, READER_VERSION, origin.estimated),
        ],
    ).fetchall()
    began: datetime = rows[0]["started_at"]
    return began


def finish_batch(
    connection: Connection,
    batch: UUID,
    status: Status,
    read: Read,
    *,
    inserted: int,
    closed: int,
    totals_loaded: Totals,
) -> LoadResult:
    """Record what the load did, and answer it."""
    first, last = read.window or (None, None)
    connection.execute(
        "UPDATE oco.ingestion_batches SET status = %(status)s, rows_source = %(rows)s, "
        "rows_accepted = %(accepted)s, rows_rejected = %(rejected)s, rows_inserted = %(inserted)s, "
        "rows_closed = %(closed)s, totals_source = %(totals_source)s, "
        "totals_accepted = %(totals_accepted)s, totals_rejected = %(totals_rejected)s, "
        "first_date = %(first)s, last_date = %(last)s, finished_at = clock_timestamp() "
        "WHERE id = %(id)s",
        {
            "id": batch,
            "status": status,
            "rows": read.accepted + read.rejected,
            "accepted": read.accepted,
            "rejected": read.rejected,
            "inserted": inserted,
            "closed": closed,
            "totals_source": Jsonb(totals_json(read.totals_source)),
            "totals_accepted": Jsonb(totals_json(read.totals_accepted)),
            "totals_rejected": Jsonb(totals_json(read.totals_rejected)),
            "first": first,
            "last": last,
        },
    )
    return LoadResult(
        batch_id=batch,
        status=status,
        rows=read.accepted + read.rejected,
        accepted=read.accepted,
        rejected=read.rejected,
        inserted=inserted,
        closed=closed,
        totals_source=read.totals_source,
        totals_accepted=read.totals_accepted,
        totals_rejected=read.totals_rejected,
        totals_loaded=totals_loaded,
        window=read.window,
        first_rejected=read.first_rejected,
    )


def record_failure(warehouse: Warehouse, origin: Origin, error: str) -> None:
    """Keep that a load failed, and why; nothing else of it is kept."""
    warehouse.execute(
        "INSERT INTO oco.ingestion_batches "
        "(source, source_partition, content_hash, status, run_id, error, finished_at) "
        "VALUES (%s, %s, %s, 'failed', %s, %s, clock_timestamp())",
        [
            *(origin.source, origin.partition, origin.content_hash, origin.run_id),
            # A message may quote a file, and a file may hold what PostgreSQL cannot keep.
            error.replace("\0", ""),
        ],
    )


def same_content(connection: Connection, origin: Origin) -> Read | None:
    """What the newest load of the partition read, if it read the same content by the same rules."""
    rows = connection.execute(
        "SELECT * FROM oco.ingestion_batches WHERE source = %s AND source_partition = %s "
        "AND status = 'loaded' ORDER BY finished_at DESC LIMIT 1",
        [origin.source, origin.partition],
    ).fetchall()
    if (
        not rows
        or rows[0]["content_hash"] != origin.content_hash
        or rows[0]["reader_version"] != READER_VERSION
    ):
        return None
    return _read_of(rows[0], _first_rejected(connection, rows[0]["id"]))


def _read_of(batch: dict[str, Any], rejected: tuple[Rejected, ...]) -> Read:
    return Read(
        accepted=batch["rows_accepted"],
        rejected=batch["rows_rejected"],
        totals_source=totals_from_json(batch["totals_source"]),
        totals_accepted=totals_from_json(batch["totals_accepted"]),
        totals_rejected=totals_from_json(batch["totals_rejected"]),
        window=(batch["first_date"], batch["last_date"]) if batch["first_date"] else None,
        first_rejected=rejected,
    )


def _first_rejected(connection: Connection, batch: UUID) -> tuple[Rejected, ...]:
    rows = connection.execute(
        "SELECT row_number, reason, raw FROM oco.rejected_rows WHERE batch_id = %s "
        "ORDER BY row_number LIMIT %s",
        [batch, SHOWN_REJECTS],
    ).fetchall()
    return tuple(Rejected(row["row_number"], row["reason"], row["raw"]) for row in rows)
