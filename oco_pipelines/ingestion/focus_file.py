"""One file of charges from the disk into the warehouse: read → normalise → load."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from oco_pipelines.ingestion.cost_batch import LoadResult, Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable, read_focus
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError

SOURCE: Final = "focus_files"
_ACCOUNTS: Final = ("BillingAccountId", "SubAccountId")

# Refuses rows before they are loaded, by whose they are.
Guard = Callable[[set[str]], None]
Stamps = Mapping[Path, tuple[int, int, int]]
Reader = Callable[[str, Path, Collection[str]], Iterator[SourceTable]]


def load_focus_file(
    warehouse: Warehouse,
    partition: str,
    path: Path,
    *,
    ignore: Collection[str] = (),
    run_id: str | None = None,
    replaces: Collection[str] = (),
    read: Reader = read_focus,
) -> LoadResult:
    """Load one file as the partition of that name; `read` says what its columns are called.

    Raises:
        InvalidFileError: when the file is not what `read` reads; the failure is kept.
        OpenCloudOpsError: as `cost_load.load` raises.
    """
    try:
        before = stamps([path])
        with path.open("rb") as file:
            content_hash = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidFileError(f"{partition}: cannot be read ({error.strerror})") from None
    return load(
        warehouse,
        map(normalise, unaltered(partition, before, read(partition, path, ignore))),
        Origin(SOURCE, partition, content_hash, run_id),
        replaces,
    )


def load_focus_parts(
    warehouse: Warehouse,
    partition: str,
    parts: Sequence[Path],
    source: str,
    rows: int | None = None,
    *,
    run_id: str | None = None,
    estimated: bool = False,
    guard: Guard | None = None,
) -> LoadResult:
    """Load files that are the parts of one bill as one partition of a source.

    Args:
        warehouse: the warehouse, migrated.
        partition: which of the source's partitions.
        parts: the files, in FOCUS form.
        source: kind of source.
        rows: how many all of them have together, where that is known beforehand.
        run_id: Dagster's run, if any.
        estimated: whether the provider may still restate them.
        guard: is given the billing accounts and sub-accounts of all rows, and may refuse them.

    Raises:
        InvalidFileError: when a file is no FOCUS, or not all rows are there.
        OpenCloudOpsError: as `cost_load.load` raises.
    """
    whole = hashlib.sha256()
    for path in parts:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    origin = Origin(source, partition, whole.hexdigest(), run_id, estimated)
    tables = guarded(_parts(partition, parts, rows), guard)
    return load(warehouse, map(normalise, tables), origin)


def stamps(paths: Sequence[Path]) -> Stamps:
    """{path: (inode, bytes, time of change)}, which tell a file that is written to meanwhile."""
    found = {path: path.stat() for path in paths}
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in found.items()}


def unaltered(
    partition: str, before: Stamps, tables: Iterator[SourceTable]
) -> Iterator[SourceTable]:
    """The tables; after the last one the files must be as they were before the first.

    Raises:
        InvalidFileError: when one was written to: what was loaded would not be what was hashed.
    """
    yield from tables
    for path, stamp in before.items():
        if not path.exists() or stamps([path])[path] != stamp:
            raise InvalidFileError(
                f"{partition}: {path.name} was changed while it was read: load it again when it is "
                "whole"
            )


def guarded(tables: Iterator[SourceTable], guard: Guard | None) -> Iterator[SourceTable]:
    """The tables; `guard` sees each account in them once, before its first row."""
    seen: set[str] = set()
    for table in tables:
        columns = [name for name in _ACCOUNTS if name in table.rows.columns]
        accounts = {value for name in columns for value in table.rows[name].unique() if value}
        if guard is not None and accounts - seen:
            guard(accounts - seen)
        seen |= accounts
        yield table


def _parts(partition: str, parts: Sequence[Path], rows: int | None) -> Iterator[SourceTable]:
    done = 0
    for path in parts:
        before = done
        for table in read_focus(partition, path):
            numbered = table.rows.with_columns(pl.col(ROW_NUMBER) + before)
            yield SourceTable(numbered, table.ignored)
            done += table.rows.height
    if rows is not None and done != rows:
        raise InvalidFileError(
            f"{partition}: the export has {done} rows, and its manifest says {rows}: a part is "
            "damaged, export the month again"
        )
