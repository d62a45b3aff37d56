"""`oco import gcp`: load exports of GCP's billing tables by hand."""

from pathlib import Path
from typing import Final

import typer

from oco_cli.import_focus import TABLE_ENDINGS, load_files
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.gcp_file import read_gcp
from oco_warehouse.database import Warehouse

_LINES: Final = (".json", ".jsonl", ".ndjson")
_ENDINGS: Final = (*TABLE_ENDINGS, *_LINES, *(f"{ending}.gz" for ending in _LINES))


def import_gcp(
    paths: list[Path] = typer.Argument(help="Files, or folders of them (json lines, parquet, csv)"),
    name: str | None = typer.Option(
        None, "--as", help="Name that the file is loaded under; default its absolute path"
    ),
    replaces: list[str] = typer.Option(
        [],
        "--replaces",
        help="Loaded file, by name or path, that this one takes the place of; repeatable",
    ),
) -> None:
    """Load rows of GCP's billing export in BigQuery. Loading a file again changes nothing.

    Takes the standard and the detailed table, as newline-delimited JSON, Parquet or CSV, plain or
    gzipped. Fields that are not used are no matter.

    Rows that cannot be loaded are kept with their reason in oco.rejected_rows; the others are
    loaded, and the exit code is 1.
    """

    def load_file(
        warehouse: Warehouse, partition: str, path: Path, replaced: list[str]
    ) -> LoadResult:
        return load_focus_file(warehouse, partition, path, replaces=replaced, read=read_gcp)

    load_files(paths, name, replaces, load_file, _ENDINGS)
