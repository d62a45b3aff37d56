"""Reads a file of GCP's billing export into tables of FOCUS; judges nothing yet."""

from collections.abc import Collection, Iterator
from pathlib import Path

from oco_pipelines.ingestion.focus_reader import SourceTable
from oco_pipelines.ingestion.gcp_export import translate
from oco_pipelines.ingestion.gcp_reader import read_batches
from oco_warehouse.errors import InvalidFileError


def read_gcp(name: str, path: Path, ignore: Collection[str] = ()) -> Iterator[SourceTable]:
    """Read a file some rows at a time: JSON lines, Parquet or CSV, plain or gzipped.

    Args:
        name: for messages.
        path: the file.
        ignore: nothing has to be ignored: fields that are not used are left out by themselves.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    del ignore
    try:
        with path.open("rb") as file:
            yield from translate(read_batches(name, file))
    except OSError as error:
        raise InvalidFileError(f"{name}: cannot be read ({error.strerror or error})") from None
