"""`oco import aws`: load AWS Cost and Usage Reports by hand."""

from pathlib import Path

import typer

from oco_cli.import_focus import load_files
from oco_pipelines.ingestion.aws_file import read_aws
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse.database import Warehouse


def import_aws(
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
        [], "--ignore-column", help="Column of a FOCUS export that may be left out; repeatable"
    ),
) -> None:
    """Load AWS Cost and Usage Reports. Loading a file again changes nothing.

    Takes the legacy report (CSV, or Parquet as for Athena), CUR 2.0 and the FOCUS export of AWS
    Data Exports, and tells them apart by their columns. Other columns are no matter.

    Rows that cannot be loaded are kept with their reason in oco.rejected_rows; the others are
    loaded, and the exit code is 1.
    """

    def load_file(
        warehouse: Warehouse, partition: str, path: Path, replaced: list[str]
    ) -> LoadResult:
        return load_focus_file(
            warehouse, partition, path, ignore=ignore_column, replaces=replaced, read=read_aws
        )

    load_files(paths, name, replaces, load_file)
