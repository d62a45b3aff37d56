"""The one module that knows how to talk to PostgreSQL.

Pipelines and commands use `Warehouse` (psycopg, synchronous); the gateway uses `create_pool`
(asyncpg). No connection is held by a module: whoever opens one closes it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final, LiteralString

import asyncpg
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from oco_warehouse.errors import WarehouseUnreachable

CONNECT_TIMEOUT_SECONDS: Final = 10
# Held shared by whoever adds rows to the ledger, and exclusively by whoever makes a budget or
# changes what rows cost, so that budgets and rows always agree.
LEDGER_LOCK: Final = "oco.ledger"

# What says that PostgreSQL does not answer. A server that ends in mid-query makes asyncpg raise its
# own kind of internal error, too.
POSTGRES_GONE: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

Connection = psycopg.Connection[DictRow]
Parameters = Mapping[str, object] | Sequence[object] | None


class Warehouse:
    """Short-lived synchronous connections to the warehouse.

    Args:
        url: a postgresql:// address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One connection and one transaction: committed at the end, rolled back on any error.

        Raises:
            WarehouseUnreachable: when no connection can be made.
        """
        connection = _connect(self.url)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def query(
        self, statement: LiteralString, parameters: Parameters = None
    ) -> list[dict[str, Any]]:
        """Run one statement and return its rows, each a dict by column name."""
        with self.transaction() as connection:
            return connection.execute(statement, parameters).fetchall()

    def execute(self, statement: LiteralString, parameters: Parameters = None) -> int:
        """Run one statement and return the number of rows it touched."""
        with self.transaction() as connection:
            return connection.execute(statement, parameters).rowcount

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a lock that only one holder in the whole warehouse can have; others wait.

        The lock ends with the connection, so a crashed holder frees it.
        """
        with self.transaction() as connection:
            lock(connection, name)
            yield


def lock(connection: Connection, name: str) -> None:
    """Take an advisory lock by name until the connection's transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(name)])


def lock_key(name: str) -> int:
    """The advisory lock key of a name: the first 8 bytes of its SHA-256, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> int:
    """COPY rows into `table` ("schema.table" or "table"); returns how many.

    Values are adapted by psycopg: Decimal, datetime, Jsonb and bytes keep their type.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def ensure_partitions(
    connection: Connection, table: str, first_day: date, last_day: date
) -> list[str]:
    """Make the monthly partitions of `api_requests` or `cloud_costs` that a range of days needs.

    Returns the names of the partitions that were made; none on TimescaleDB.
    """
    rows = connection.execute(
        "SELECT oco.ensure_partitions(%s, %s, %s) AS name", [table, first_day, last_day]
    ).fetchall()
    return [row["name"] for row in rows]


async def create_pool(url: str, max_size: int = 20) -> "asyncpg.Pool[asyncpg.Record]":
    """An asyncpg pool for the gateway; the caller closes it.

    Raises:
        WarehouseUnreachable: when no connection can be made.
    """
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=30,
            server_settings={"application_name": "oco-gateway", "timezone": "UTC"},
        )
    except POSTGRES_GONE as error:
        raise WarehouseUnreachable(unreachable_message(url, error)) from None


def unreachable_message(url: str, error: Exception) -> str:
    """One line that names the server and the reason, without the password."""
    try:
        target = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "DATABASE_URL is not a PostgreSQL address; expected postgresql://user@host:port/name"
    reason = " ".join(str(error).split()) or type(error).__name__
    return (
        f"PostgreSQL at {target.get('host', 'localhost')}:{target.get('port', 5432)} "
        f"(database {target.get('dbname')!r}) cannot be used: {reason}; check DATABASE_URL"
    )


def _connect(url: str) -> Connection:
    try:
        return psycopg.connect(
            url,
            row_factory=dict_row,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="oco",
            options="-c timezone=UTC",
        )
    except psycopg.OperationalError as error:
        raise WarehouseUnreachable(unreachable_message(url, error)) from None
