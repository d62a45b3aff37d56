"""The ways in which costs are read from AWS by themselves."""

from typing import Final

from oco_pipelines.ingestion.aws_ce_kind import CostExplorer
from oco_pipelines.ingestion.aws_export_kind import DataExport
from oco_pipelines.ingestion.source_kinds import SourceKind

KINDS: Final[tuple[SourceKind, ...]] = (DataExport(), CostExplorer())
