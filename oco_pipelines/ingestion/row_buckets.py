"""Rows parted by some of their columns into files, so that what belongs together is read together.

Equal values always lie in one bucket, so that buckets can be joined one by one with what a join of
everything would give. Memory holds some rows only, whatever there is. Does not belong here: what
the rows mean.
"""

import io
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import polars as pl

from oco_warehouse.errors import ConfigurationError

_BUCKET: Final = "_bucket"
_LENGTH_BYTES: Final = 8


class RowBuckets:
    """Rows on the disk, appended to their buckets in the order in which they come.

    Attributes:
        heights: how many rows each bucket has.
    """

    def __init__(self, folder: Path, name: str, keys: Collection[str], count: int) -> None:
        """Nothing is written yet.

        Args:
            folder: where to; whose it is removes it.
            name: tells these rows from others in the folder.
            keys: columns of texts whose values decide about a row's bucket.
            count: how many buckets there are.
        """
        self._folder, self._name, self._keys = folder, name, tuple(keys)
        self._none = pl.DataFrame()
        self.heights = [0] * count

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows.

        Raises:
            ConfigurationError: when the disk takes no more.
        """
        self._none = rows.clear()
        # A null is equal to a null here, and to nothing else.
        values = (pl.col(key).fill_null("\0") for key in self._keys)
        key = pl.concat_str(list(values), separator="\x1f")
        numbered = rows.with_columns((key.hash(seed=0) % len(self.heights)).alias(_BUCKET))
        parts = numbered.partition_by(_BUCKET, as_dict=True, include_key=False)
        for (bucket,), part in parts.items():
            self._append(int(bucket), part)

    def read(self, buckets: Iterable[int]) -> pl.DataFrame:
        """All rows of these buckets."""
        parts = [self._none]
        for bucket in buckets:
            if self.heights[bucket]:
                with self._path(bucket).open("rb") as file:
                    while length := file.read(_LENGTH_BYTES):
                        content = file.read(int.from_bytes(length))
                        parts.append(pl.read_ipc_stream(io.BytesIO(content)))
        return pl.concat(parts)

    def _append(self, bucket: int, rows: pl.DataFrame) -> None:
        content = io.BytesIO()
        rows.write_ipc_stream(content, compression="lz4")
        try:
            with self._path(bucket).open("ab") as file:
                file.write(len(content.getvalue()).to_bytes(_LENGTH_BYTES))
                file.write(content.getvalue())
        except OSError as error:
            raise ConfigurationError(
                f"{self._folder}: cannot be written ({error.strerror}): make room there, or set "
                "TMPDIR to a folder that has it"
            ) from None
        self.heights[bucket] += rows.height

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{self._name}-{bucket}"
