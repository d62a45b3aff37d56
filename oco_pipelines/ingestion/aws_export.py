"""A billing period of an AWS data export, from S3 into the warehouse, whole or not at all.

AWS writes a period anew with each delivery, and no line keeps its identity. So what the manifest
lists is downloaded, checked to be one delivery, and replaces the period in one transaction.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oco_pipelines.ingestion.aws_access import Requests, aws_failures, make_client
from oco_pipelines.ingestion.aws_ce_request import month_end
from oco_pipelines.ingestion.aws_delivery import Delivery
from oco_pipelines.ingestion.aws_export_manifest import (
    StoredObject,
    newest_manifests,
)
from oco_pipelines.ingestion.source_assets import partition_key, source_name
from oco_pipelines.ingestion.source_overlap import refuse_other_sources
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_export_options import ExportOptions, parse_export
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import EmptyFileError, InvalidInputError

if TYPE_CHECKING:
    from oco_pipelines.ingestion.cost_batch import LoadResult
    from oco_pipelines.ingestion.focus_reader import SourceTable


@dataclass(frozen=True, slots=True)
class PeriodLoad:
    """What a run read and did."""

    result: "LoadResult"
    mark: str
    delivery: str
    files: int
    requests: Requests


def find_periods(account: Account, options: ExportOptions, client: Any) -> dict[str, StoredObject]:
    """{billing period: its manifest}, from S3.

    Raises:
        OpenCloudOpsError: as `aws_failures` raises.
    """
    objects: list[StoredObject] = []
    with aws_failures(f"account {account.name}: list {options.address}"):
        # Data files outnumber manifests by far: of a Data Export they are in a folder beside.
        for folder in ("metadata/", "20"):
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=options.bucket, Prefix=options.folder + folder
            )
            objects += [
                StoredObject(item["Key"], item["ETag"].strip('"'), item["LastModified"])
                for page in pages
                for item in page.get("Contents", [])
            ]
    periods = newest_manifests(objects, options.folder, options.export)
    return {
        period: manifest
        for period, manifest in periods.items()
        if options.since is None or period >= options.since
    }


def mark_of(manifest: StoredObject) -> str:
    """Changes with each delivery of a period."""
    return f"{manifest.etag} {manifest.key}"


def load_period(
    warehouse: Warehouse, account: Account, period: str, run_id: str | None = None
) -> PeriodLoad:
    """Replace a billing period by what S3 has of it now.

    Raises:
        InvalidInputError: when the period, or a file that its manifest lists, is not there, or
            cannot be read. Nothing is changed.
        ConflictError: when AWS writes a new delivery meanwhile, or costs of the month came from
            another source. Nothing is changed.
        OpenCloudOpsError: as `aws_failures` and `cost_load.load` raise.
    """
    from oco_pipelines.ingestion.cost_batch import Origin
    from oco_pipelines.ingestion.cost_load import load
    from oco_pipelines.ingestion.focus_normalise import normalise

    options, requests = parse_export(account), Requests()
    client = make_client(account, options.access, "s3", requests)
    found = find_periods(account, options, client)
    if period not in found:
        raise InvalidInputError(
            f"account {account.name}: {options.address} has no manifest of {period}"
        )
    partition, stored = partition_key(account, period), found[period]
    month = date.fromisoformat(f"{period}-01")
    refuse_other_sources(
        warehouse,
        partition,
        source_name(account),
        account.provider,
        [options.access.account_id],
        month,
        month_end(month),
    )
    with tempfile.TemporaryDirectory(prefix="oco-export-") as folder:
        delivery = Delivery(partition, options.bucket, client, requests)
        manifest = delivery.read_manifest(stored)
        paths = delivery.download(manifest, Path(folder))
        delivery.confirm()
        tables = _read(partition, paths, options.ignore_columns)
        result = load(
            warehouse,
            map(normalise, tables),
            Origin(source_name(account), partition, delivery.content_hash, run_id),
            # A month of which AWS has written nothing yet is no mistake; one that is lost is.
            may_be_empty=not _is_believed(warehouse, source_name(account), partition),
        )
    return PeriodLoad(result, mark_of(stored), manifest.delivery, len(paths), requests)


def _read(
    partition: str, paths: list[tuple[str, Path]], ignore: tuple[str, ...]
) -> "Iterator[SourceTable]":
    """The rows of every file, numbered through."""
    import polars as pl

    from oco_pipelines.ingestion.aws_file import read_aws
    from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable

    done = 0
    for key, path in paths:
        rows = 0
        try:
            for table in read_aws(f"{partition}: {key}", path, ignore):
                numbered = table.rows.with_columns(pl.col(ROW_NUMBER) + done)
                rows += table.rows.height
                yield SourceTable(numbered, table.ignored)
        except EmptyFileError:
            continue
        finally:
            done += rows


def _is_believed(warehouse: Warehouse, source: str, partition: str) -> bool:
    return bool(
        warehouse.query(
            "SELECT 1 FROM oco.cloud_costs WHERE source = %s AND source_partition = %s "
            "AND valid_to IS NULL LIMIT 1",
            [source, partition],
        )
    )
