"""How costs are read from Azure by themselves."""

from typing import Final

from oco_pipelines.ingestion.azure_blob_kind import BlobExport
from oco_pipelines.ingestion.azure_query_kind import Query
from oco_pipelines.ingestion.source_kinds import SourceKind

KINDS: Final[tuple[SourceKind, ...]] = (Query(), BlobExport())
