"""Runs the SQL file of a revision."""

import re
from pathlib import Path

from alembic import op

_TIME_PARTITIONED = re.compile(r"\{time_partitioned:([^}]+)\}")


def run_sql(revision_file: str) -> None:
    """Run `NAME.sql` beside `NAME.py`.

    `{time_partitioned:COLUMN}` after a table's closing parenthesis becomes PARTITION BY RANGE, or
    nothing where TimescaleDB makes a hypertable of the table instead.
    """
    connection = op.get_bind()
    sql = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    if _TIME_PARTITIONED.search(sql):
        timescale = connection.exec_driver_sql("SELECT oco.has_timescaledb()").scalar()
        sql = _TIME_PARTITIONED.sub("" if timescale else r"PARTITION BY RANGE (\1)", sql)
    cursor = connection.connection.cursor()
    # Straight to the driver: without parameters psycopg leaves `%` alone and runs many statements.
    cursor.execute(sql)
    cursor.close()
