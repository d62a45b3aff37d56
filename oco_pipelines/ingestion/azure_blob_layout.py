"""What the folders of Azure's cost exports say: which run of each period is the newest. Pure.

Source: Microsoft's "Create and manage Cost Management exports". Below any folders an export writes

    EXPORT/20261001-20261031/RUN/manifest.json and its parts      a run in a folder of its GUID
    EXPORT/20261001-20261031/202610051230/RUN/manifest.json …     where runs are kept apart
    EXPORT/20261001-20261031/EXPORT_GUID.csv                      older exports: one file a run

Each run has the whole period again, so that of each period the newest counts and nothing else.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from oco_pipelines.ingestion.object_store import StoredFile
from oco_warehouse.errors import InvalidFileError

MANIFEST: Final = "manifest.json"
_PERIOD: Final = re.compile(r"(\d{8})-(\d{8})")
_ENDINGS: Final = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of an export has written for one period.

    Attributes:
        export: name of the export.
        period: first and last day, as the folder says them.
        name: of its folder or file, below the period.
        files: what has charges, or may have; by key.
        manifest: what says which of them belong to it; None where the export writes none.
    """

    export: str
    period: tuple[date, date]
    name: str
    files: tuple[StoredFile, ...]
    manifest: StoredFile | None

    @property
    def key(self) -> str:
        """The period, as in `20261001-20261031`."""
        return "-".join(f"{day:%Y%m%d}" for day in self.period)

    @property
    def mark(self) -> str:
        """Changes with anything of it."""
        parts = [*self.files, *([self.manifest] if self.manifest else [])]
        text = "|".join(f"{file.key}:{file.etag}" for file in parts)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def written(self) -> datetime:
        """When it was done: the manifest is written last."""
        if self.manifest is not None:
            return self.manifest.modified
        return max(file.modified for file in self.files)


def newest_runs(files: Iterable[StoredFile], export: str) -> dict[str, Run]:
    """{period: its newest run that is done} of one export.

    An export that writes manifests is done with a run when its manifest is there. Names of exports
    are the same in any case.
    """
    found: dict[tuple[str, str], list[StoredFile]] = {}
    for file in files:
        place = _place(file.key, export)
        if place is not None:
            found.setdefault(place, []).append(file)
    all_runs = [_run(export, *place, files) for place, files in found.items()]
    runs = [run for run in all_runs if run is not None]
    if any(run.manifest for run in runs):
        runs = [run for run in runs if run.manifest]
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (run.written, run.name)):
        newest[run.key] = run
    return newest


def exports_of(files: Iterable[StoredFile]) -> list[str]:
    """Names of all exports that have written something."""
    names = set()
    for file in files:
        parts = PurePosixPath(file.key).parts
        names |= {parts[i - 1] for i, part in enumerate(parts) if i and _PERIOD.fullmatch(part)}
    return sorted(names)


def parts_of(run: Run, manifest: bytes, wanted: str) -> tuple[Sequence[StoredFile], int | None]:
    """The files with charges that a run's manifest lists, and how many rows they have together.

    Args:
        run: that has the manifest.
        manifest: its content.
        wanted: the type that the export must be of, as in ActualCost.

    Raises:
        InvalidFileError: when the manifest cannot be read, is of another type, or lists a file
            that is not there.
    """
    name = run.manifest.key if run.manifest else run.name
    try:
        told: Any = json.loads(manifest.decode("utf-8-sig"))
        blobs = [(str(blob["blobName"]), blob.get("dataRowCount")) for blob in told["blobs"]]
        kind = told.get("exportConfig", {}).get("type")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidFileError(f"{name}: is no manifest of a cost export") from None
    if kind not in {None, wanted}:
        raise InvalidFileError(
            f"{name}: the export {run.export} is of the type {kind}, not {wanted}: "
            "correct the account's options"
        )
    parts = []
    for blob, count in blobs:
        if count == 0:
            continue  # It has a header only.
        # Azure says the path in the container; ours begins where the account's address ends.
        same = [file for file in run.files if f"/{blob}".endswith(f"/{file.key}")]
        if not same:
            raise InvalidFileError(
                f"{name}: lists {blob}, which is not there: run the export again"
            )
        parts.append(max(same, key=lambda file: len(file.key)))
    counts = [count for _, count in blobs]
    rows = sum(counts) if all(isinstance(count, int) for count in counts) else None
    return parts, rows


def read_period(key: str) -> tuple[date, date] | None:
    """First and last day of `20261001-20261031`; None when it is no period."""
    found = _PERIOD.fullmatch(key)
    try:
        first, last = (date.fromisoformat(day) for day in found.groups()) if found else (None, None)
    except ValueError:
        return None
    return (first, last) if first and last and first <= last else None


def _place(key: str, export: str) -> tuple[str, str] | None:
    """(period, run) of a file of the export; None when it is none of it."""
    parts = PurePosixPath(key).parts
    for i, part in enumerate(parts[:-1]):
        if i and read_period(part) and parts[i - 1].lower() == export.lower():
            below = parts[i + 1 :]
            # Without a folder of its own each file is a run.
            return part, "/".join(below[:-1]) or below[-1]
    return None


def _run(export: str, period: str, name: str, files: list[StoredFile]) -> Run | None:
    days = read_period(period)
    manifest = next((f for f in files if PurePosixPath(f.key).name.lower() == MANIFEST), None)
    charges = [file for file in files if file.key.lower().endswith(_ENDINGS)]
    if days is None or (manifest is None and not charges):
        return None
    return Run(export, days, name, tuple(sorted(charges, key=lambda file: file.key)), manifest)
