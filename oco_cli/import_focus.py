"""`oco import focus`: load FOCUS files by hand; and what every import of bills shares."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from oco_cli.connect import connect
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.cost_totals import COST_COLUMNS, Totals, add_totals
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.hand_loads import named_loads
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import (
    ConflictError,
    InvalidInputError,
    WarehouseError,
    WarehouseUnreachable,
)

TABLE_ENDINGS: Final = (".csv", ".csv.gz", ".parquet")


def import_focus(
    paths: list[Path] = typer.Argument(help="Files, or folders of them (csv, csv.gz, parquet)"),
    name: str | None = typer.Option(
        None, "--as", help="Name that the file is loaded under; default its absolute path"
    ),
    replaces: list[str] = typer.Option(
        [],
        "--replaces",
        help="Loaded file, by name or path, that this one takes the place of; repeatable",
    ),
    ignore_column: list[str] = typer.Option(
        [], "--ignore-column", help="Column outside FOCUS that may be left out; repeatable"
    ),
) -> None:
    """Load FOCUS 1.0 to 1.3 files. Loading a file again changes nothing.

    Rows that cannot be loaded are kept with their reason in oco.rejected_rows; the others are
    loaded, and the exit code is 1.
    """

    def load_file(
        warehouse: Warehouse, partition: str, path: Path, replaced: list[str]
    ) -> LoadResult:
        return load_focus_file(warehouse, partition, path, ignore=ignore_column, replaces=replaced)

    load_files(paths, name, replaces, load_file)


def load_files(
    paths: list[Path],
    name: str | None,
    replaces: list[str],
    load_file: Callable[[Warehouse, str, Path, list[str]], LoadResult],
    endings: tuple[str, ...] = TABLE_ENDINGS,
) -> None:
    """Load files one by one, with progress, and print one table of what was loaded.

    Args:
        paths: files, or folders of them.
        name: what a single file is loaded under; None for its absolute path.
        replaces: what a single file takes the place of, by name or path.
        load_file: (warehouse, partition, path, names of what it replaces) → what was loaded.
        endings: of the files that are looked for in folders.

    Raises:
        InvalidInputError: when anything was left out, after the rest was loaded.
    """
    files = find_files(paths, endings)
    if len(files) > 1 and (name or replaces):
        raise InvalidInputError("--as and --replaces take one file; several were given")
    console = Console(stderr=True, highlight=False)
    _, warehouse = connect()
    replaced = named_loads(warehouse, replaces)
    done: list[tuple[str, LoadResult]] = []
    failed: list[str] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("Loading", total=len(files))
        for file in files:
            progress.update(task, description=f"Loading {file.name}")
            partition = name or str(file.resolve())
            try:
                done.append((partition, load_file(warehouse, partition, file, replaced)))
            except WarehouseUnreachable:
                raise
            except (InvalidInputError, ConflictError, WarehouseError) as error:
                # One bad file of a folder must not keep the others out.
                failed.append(str(error))
            progress.advance(task)
    for partition, result in done:
        _tell_rejected(console, partition, result)
    if done:
        Console(highlight=False).print(_summary(done))
    _tell_failures(console, failed, len(files), sum(entry[1].rejected for entry in done))


def _tell_failures(console: Console, failed: list[str], files: int, rejected: int) -> None:
    """End with an error when anything was left out: nobody may take it for the whole bill.

    Raises:
        InvalidInputError: one line; lines about several files are printed before it.
    """
    if failed and files == 1:
        raise InvalidInputError(failed[0])
    if failed:
        for line in failed:
            console.print(f"oco: {line}", markup=False, soft_wrap=True)
        raise InvalidInputError(f"{len(failed)} of {files} files were not loaded, see above")
    if rejected:
        raise InvalidInputError(
            f"{rejected} rows were rejected and are in oco.rejected_rows with their reasons; "
            "the others are loaded"
        )


def find_files(paths: list[Path], endings: tuple[str, ...]) -> list[Path]:
    """The files that are meant, each once, folders searched for known endings.

    Raises:
        InvalidInputError: when a path does not exist or a folder has no such file.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in _files_below(path) if p.name.lower().endswith(endings))
            if not found:
                raise InvalidInputError(f"{path}: the folder has no {', '.join(endings)} file")
            files |= {file.resolve(): file for file in found}
        elif path.is_file():
            files[path.resolve()] = path
        else:
            raise InvalidInputError(f"{path}: no such file or folder")
    return list(files.values())


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through links to folders, too; each folder is entered once."""

    def refuse(error: OSError) -> None:
        raise InvalidInputError(f"{error.filename}: cannot be read ({error.strerror})")

    entered: set[str] = set()
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield from (path for name in names if (path := Path(root, name)).is_file())


def _tell_rejected(console: Console, partition: str, result: LoadResult) -> None:
    for row in result.first_rejected:
        console.print(f"{partition}: row {row.row_number} rejected: {row.reason}", markup=False)
    more = result.rejected - len(result.first_rejected)
    if more > 0:
        console.print(f"{partition}: {more} more rows rejected, see oco.rejected_rows")


def _summary(done: list[tuple[str, LoadResult]]) -> Table:
    """A line for each file and cost: amounts fit a narrow terminal to their last digit."""
    table = Table("file", "cost", title="Loaded", title_justify="left")
    table.add_column("total", justify="right", no_wrap=True)
    total: Totals = {}
    for partition, result in done:
        total = add_totals(total, result.totals_loaded)
        counts = (
            f"{result.status}: {result.rows:,} rows, {result.accepted:,} accepted, "
            f"{result.rejected:,} rejected, {result.inserted:,} new, {result.closed:,} closed"
        )
        _add_totals(table, f"{Path(partition).name}\n{counts}", result.totals_loaded)
    if len(done) > 1:
        _add_totals(table, "total", total)
    return table


def _add_totals(table: Table, label: str, totals: Totals) -> None:
    table.add_section()
    for currency, sums in totals.items():
        names = "\n".join(f"{column} {currency}" for column in COST_COLUMNS)
        amounts = "\n".join(f"{sums[column]:f}" for column in COST_COLUMNS)
        table.add_row(label, names, amounts)
