"""What an AWS data export says it consists of: its manifests. Pure.

Source: AWS Data Exports user guide, "Understanding export delivery" (CUR 2.0 and FOCUS:
`…/EXPORT/metadata/BILLING_PERIOD=YYYY-MM/[delivery/]EXPORT-Manifest.json` with executionId and
dataFiles) and "Understanding your report versions" (legacy reports:
`…/REPORT/YYYYMMDD-YYYYMMDD/[assembly/]REPORT-Manifest.json` with assemblyId and reportKeys).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from oco_warehouse.errors import InvalidInputError

_DATA_EXPORT: Final = re.compile(r"metadata/BILLING_PERIOD=(\d{4}-\d{2})/(?:[^/]+/)?[^/]+")
_LEGACY: Final = re.compile(r"(\d{4})(\d{2})01-\d{8}/(?:[^/]+/)?[^/]+")
_ENDING: Final = "-Manifest.json"
_READABLE: Final = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of S3.

    Attributes:
        key: its whole name in the bucket.
        etag: changes with its content.
        modified: when it was written, UTC.
    """

    key: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a delivery consists of.

    Attributes:
        delivery: executionId or assemblyId.
        files: keys in the bucket, in order.
    """

    delivery: str
    files: tuple[str, ...]


def newest_manifests(
    objects: Iterable[StoredObject], folder: str, export: str
) -> dict[str, StoredObject]:
    """{billing period YYYY-MM: the manifest that holds}, by period.

    An export that keeps its deliveries has a manifest for each, and the one written last holds.

    Args:
        objects: of the bucket, in any order; others are passed over.
        folder: of the export, ending in a slash.
        export: name of the export or report.
    """
    found: dict[str, StoredObject] = {}
    for item in objects:
        path = item.key.removeprefix(folder)
        if path == item.key or not item.key.endswith(f"/{export}{_ENDING}"):
            continue
        match = _DATA_EXPORT.fullmatch(path) or _LEGACY.fullmatch(path)
        if match is None:
            continue
        period = "-".join(match.groups())
        known = found.get(period)
        # A legacy report writes the same manifest twice: the one without a delivery's folder.
        if known is None or (item.modified, -len(item.key)) > (known.modified, -len(known.key)):
            found[period] = item
    return dict(sorted(found.items()))


def parse_manifest(where: str, content: bytes, bucket: str) -> Manifest:
    """What a manifest says.

    Args:
        where: for messages.
        content: the manifest, JSON.
        bucket: where the files are.

    Raises:
        InvalidInputError: one line, when it is no manifest or lists what is not read.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidInputError(f"{where}: is no JSON") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"{where}: is no manifest of an export")
    listed = document.get("dataFiles", document.get("reportKeys"))
    delivery = document.get("executionId", document.get("assemblyId"))
    if not isinstance(delivery, str) or not isinstance(listed, list):
        raise InvalidInputError(
            f"{where}: is no manifest of an export: it needs dataFiles and executionId, or "
            "reportKeys and assemblyId"
        )
    files = tuple(_key(where, entry, bucket) for entry in listed)
    if not files:
        raise InvalidInputError(f"{where}: lists no file")
    if len(set(files)) != len(files):
        raise InvalidInputError(f"{where}: lists a file twice, which would count twice")
    return Manifest(delivery, files)


def _key(where: str, entry: object, bucket: str) -> str:
    if not isinstance(entry, str) or not entry:
        raise InvalidInputError(f"{where}: lists something that is no file")
    key = entry
    if entry.startswith("s3://"):
        there, _, key = entry.removeprefix("s3://").partition("/")
        if there != bucket:
            raise InvalidInputError(f"{where}: lists a file of another bucket, {there}")
    if not key.lower().endswith(_READABLE):
        raise InvalidInputError(
            f"{where}: lists {key}, which is none of {', '.join(_READABLE)}: choose Parquet or "
            "GZIP/CSV for the export"
        )
    return key.lstrip("/")
