"""Azure's cost exports from the disk into the warehouse: files of one month are one partition."""

import hashlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from oco_pipelines.ingestion.azure_buckets import combine_parts
from oco_pipelines.ingestion.azure_charges import AmountForms, Dataset
from oco_pipelines.ingestion.azure_columns import recognise
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_pair import AMORTIZED_ALONE
from oco_pipelines.ingestion.cost_batch import LoadResult, Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.focus_file import SOURCE, Guard, guarded, stamps, unaltered
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable
from oco_pipelines.ingestion.table_reader import read_table
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError, InvalidInputError


@dataclass(frozen=True, slots=True)
class AzureMonth:
    """The files of one month, and what older ones do not say.

    Attributes:
        actual: ActualCost exports, the parts of one where it comes in parts.
        amortized: AmortizedCost exports of the same month; may be none.
        currency: the billing currency of files that do not say it.
        billing_account: the enrolment or account of files that do not say it.
        rows: how many rows either of the two has, where that is known beforehand.
    """

    actual: Sequence[Path]
    amortized: Sequence[Path] = ()
    currency: str | None = None
    billing_account: str | None = None
    rows: Mapping[Dataset, int] = field(default_factory=dict)


def load_azure(
    warehouse: Warehouse,
    partition: str,
    month: AzureMonth,
    replaces: Collection[str] = (),
    *,
    source: str = SOURCE,
    run_id: str | None = None,
    estimated: bool = False,
    guard: Guard | None = None,
) -> LoadResult:
    """Load the files of a month as the partition of that name; `guard` may refuse its rows first.

    Raises:
        InvalidFileError: when a file is no cost export of Azure, or of the other kind, or not all
            rows are there.
        ConfigurationError: when the disk has no room for the rows of a pair.
        OpenCloudOpsError: as `cost_load.load` raises.
    """
    files = [*month.actual, *month.amortized]
    try:
        before = stamps(files)
    except OSError as error:
        raise InvalidFileError(f"{error.filename}: cannot be read ({error.strerror})") from None
    # Here and not where it is filled: a load that fails leaves its reader where it stands.
    with tempfile.TemporaryDirectory(prefix="oco-azure-") as folder:
        rows = read_azure(partition, month, Path(folder))
        tables = guarded(unaltered(partition, before, rows), guard)
        return load(
            warehouse,
            map(normalise, tables),
            Origin(source, partition, _digest(month), run_id, estimated),
            replaces,
        )


def read_azure(partition: str, month: AzureMonth, folder: Path) -> Iterator[SourceTable]:
    """The rows of a month, some at a time; a pair waits in the folder, an empty one, meanwhile.

    Raises:
        InvalidFileError: as `load_azure` does.
        ConfigurationError: when the folder takes no more.
    """
    if not month.actual:
        raise InvalidFileError(f"{partition}: {AMORTIZED_ALONE}")
    actual = _rows(month.actual, "actual", month)
    if month.amortized:
        parts = combine_parts(actual, _rows(month.amortized, "amortized", month), folder)
    else:
        parts = actual
    try:
        for rows in parts:
            yield SourceTable(rows, ())
    except InvalidFileError:
        raise
    except InvalidInputError as error:
        raise InvalidFileError(f"{partition}: {error}") from None


def _rows(paths: Sequence[Path], dataset: Dataset, month: AzureMonth) -> Iterator[pl.DataFrame]:
    """The rows of all files of one kind, some at a time, numbered through."""
    done = 0
    for path in paths:
        for rows in _rows_of(path, dataset, month):
            yield rows.with_row_index(ROW_NUMBER, offset=done + 1)
            done += rows.height
    promised = month.rows.get(dataset, done)
    if done != promised:
        raise InvalidFileError(
            f"the {dataset} export has {done} rows, and its manifest says {promised}: "
            "a part is damaged, export the month again"
        )


def _rows_of(path: Path, dataset: Dataset, month: AzureMonth) -> Iterator[pl.DataFrame]:
    variant, seen = None, AmountForms()
    for frame in read_table(str(path), path):
        try:
            variant = variant or recognise(
                frame.columns, currency=month.currency, billing_account=month.billing_account
            )
            rows = None if variant is None else to_focus(frame, variant, dataset, seen)
        except InvalidInputError as error:
            raise InvalidFileError(f"{path}: {error}") from None
        if rows is None:
            raise InvalidFileError(
                f"{path}: no cost export of Azure; a FOCUS export is loaded with `oco import focus`"
            )
        yield rows


def _digest(month: AzureMonth) -> str:
    """Of everything that the rows come from: a new amortized file alone is news, too."""
    whole = hashlib.sha256(repr((month.currency, month.billing_account)).encode())
    for paths in (month.actual, month.amortized):
        for path in paths:
            try:
                with path.open("rb") as file:
                    whole.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InvalidFileError(f"{path}: cannot be read ({error.strerror})") from None
        whole.update(b"|")
    return whole.hexdigest()
