"""The only place that creates or alters raw tables (schema `oco`).

Alembic runs hand-written SQL: each revision `NNNN_name.py` has its statements in `NNNN_name.sql`
beside it. Does not belong here: models of dbt (schemas staging, intermediate, marts) and Dagster's
own storage, which lives in a database of its own.
"""

from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from oco_warehouse.database import CONNECT_TIMEOUT_SECONDS, unreachable_message
from oco_warehouse.errors import MigrationError, WarehouseUnreachable

FOLDER: Final = Path(__file__).parent
VERSION_TABLE: Final = "schema_version"
# Any constant does; it must only differ from the other advisory locks of the platform.
_LOCK_KEY: Final = 4_318_070_501
_CONNECT: Final = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}


def head() -> str:
    """The revision that this code needs."""
    revision = ScriptDirectory(str(FOLDER)).get_current_head()
    if revision is None:
        raise MigrationError("no migration is shipped: the installation is incomplete")
    return revision


def current(url: str) -> str | None:
    """The revision that the database is at, or None when it was never migrated.

    Raises:
        WarehouseUnreachable: when no connection can be made.
    """
    engine = create_engine(_sqlalchemy_url(url), poolclass=NullPool, connect_args=_CONNECT)
    try:
        with engine.connect() as connection:
            return _current(connection)
    except OperationalError as error:
        raise WarehouseUnreachable(unreachable_message(url, error)) from None


def upgrade(url: str) -> list[str]:
    """Bring the database to this code's revision; the revisions that were applied, oldest first.

    Idempotent. Concurrent calls wait for each other on an advisory lock. All revisions of one call
    are applied in one transaction.

    Raises:
        MigrationError: when the database is newer than this code, or a statement fails.
        WarehouseUnreachable: when no connection can be made.
    """
    engine = create_engine(_sqlalchemy_url(url), poolclass=NullPool, connect_args=_CONNECT)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            before = _current(connection)
            pending = _pending(before)
            if pending:
                connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS oco")
                config = Config()
                config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            return pending
    except OperationalError as error:
        raise WarehouseUnreachable(unreachable_message(url, error)) from None
    except (psycopg.Error, DBAPIError) as error:
        reason = str(error).partition("\n")[0]
        raise MigrationError(f"the schema was left as it was: {reason}") from error


def _pending(before: str | None) -> list[str]:
    script = ScriptDirectory(str(FOLDER))
    known = [revision.revision for revision in script.walk_revisions()][::-1]
    if before is None:
        return known
    if before not in known:
        raise MigrationError(
            f"the warehouse is at schema revision {before!r}, which this version does not know "
            f"(its newest is {known[-1]!r}): install the newer version of Open Cloud Ops"
        )
    return known[known.index(before) + 1 :]


def _current(connection: Connection) -> str | None:
    table = connection.exec_driver_sql(f"SELECT to_regclass('oco.{VERSION_TABLE}')").scalar()
    if table is None:
        return None
    # VERSION_TABLE is a constant of this module.
    version = connection.exec_driver_sql(
        f"SELECT version_num FROM oco.{VERSION_TABLE}"  # noqa: S608
    ).scalar()
    return None if version is None else str(version)


def _sqlalchemy_url(url: str) -> str:
    _, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}"
