"""One FOCUS file from its bytes into the warehouse: read → normalise → load."""

import hashlib
from collections.abc import Collection
from typing import Final

from oco_pipelines.ingestion.cost_load import LoadResult, load, record_failure
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import read_focus
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError

SOURCE: Final = "focus_files"


def load_focus_file(
    warehouse: Warehouse,
    partition: str,
    content: bytes,
    *,
    ignore: Collection[str] = (),
    run_id: str | None = None,
    replaces: Collection[str] = (),
) -> tuple[Normalised, LoadResult]:
    """Load one file as the partition of that name.

    Raises:
        InvalidFileError: when the bytes are no FOCUS file; the failure is kept.
        OpenCloudOpsError: as `cost_load.load` raises.
    """
    content_hash = hashlib.sha256(content).hexdigest()
    try:
        normalised = normalise(read_focus(partition, content, ignore))
    except InvalidFileError as error:
        record_failure(warehouse, SOURCE, partition, content_hash, run_id, str(error))
        raise
    result = load(
        warehouse,
        normalised,
        source=SOURCE,
        partition=partition,
        content_hash=content_hash,
        run_id=run_id,
        replaces=replaces,
    )
    return normalised, result
