"""What is read of files whose content a test has in its hands."""

from pathlib import Path
from tempfile import NamedTemporaryFile

import polars as pl

from oco_pipelines.ingestion.table_reader import read_table


def frame_of(content: bytes) -> pl.DataFrame:
    """The texts of a file of that content."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        (frame,) = read_table("report", Path(file.name))
    return frame
