"""`oco import azure`: load cost exports of Azure Cost Management by hand."""

from pathlib import Path

import typer

from oco_cli.import_focus import TABLE_ENDINGS, find_files, load_files
from oco_pipelines.ingestion.azure_file import AzureMonth, load_azure
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_warehouse.database import Warehouse


def import_azure(
    paths: list[Path] = typer.Argument(help="ActualCost files, or folders (csv, csv.gz, parquet)"),
    amortized: list[Path] = typer.Option(
        [], "--amortized", help="AmortizedCost file or folder of the same month; repeatable"
    ),
    name: str | None = typer.Option(
        None, "--as", help="Name that it is loaded under; default the first file's absolute path"
    ),
    replaces: list[str] = typer.Option(
        [],
        "--replaces",
        help="Loaded file, by name or path, that this one takes the place of; repeatable",
    ),
    currency: str | None = typer.Option(
        None, "--currency", help="Billing currency of older files that do not say it"
    ),
    billing_account: str | None = typer.Option(
        None, "--billing-account", help="Enrolment or account of files that do not say it"
    ),
) -> None:
    """Load cost exports of Azure. Loading them again changes nothing.

    Takes the cost and usage details of Enterprise Agreements, Microsoft Customer Agreements,
    partners and pay-as-you-go subscriptions. ActualCost says what was billed; with the
    AmortizedCost of the same month beside it, commitments are spread over what they cover.
    """
    parts = find_files(amortized, TABLE_ENDINGS) if amortized else []
    together = find_files(paths, TABLE_ENDINGS) if amortized else []

    def load_file(
        warehouse: Warehouse, partition: str, path: Path, replaced: list[str]
    ) -> LoadResult:
        month = AzureMonth(together or [path], parts, currency, billing_account)
        return load_azure(warehouse, partition, month, replaced)

    # With amortized costs, all files are one month, and one partition.
    load_files(together[:1] or paths, name, replaces, load_file)
