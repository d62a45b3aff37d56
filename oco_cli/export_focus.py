"""`oco export focus`: a billing month as a FOCUS file for other tools."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_pipelines.export.focus_file import Exported, export_focus
from oco_pipelines.export.focus_query import Selection, read_month
from oco_pipelines.ingestion.cost_totals import COST_COLUMNS
from oco_pipelines.ingestion.focus_values import read_instant


def export(
    month: str = typer.Option(help="Billing month, as in 2026-10"),
    out: Path = typer.Option(help="File to write: .csv, .csv.gz or .parquet"),
    version: str = typer.Option("1.2", help="Version of FOCUS: 1.2 or 1.3"),
    provider: str | None = typer.Option(
        None, help="Only this provider's charges, by its short name: aws, azure, gcp, openai, …"
    ),
    as_of: str | None = typer.Option(
        None, "--as-of", help="What was believed at this time (ISO 8601, UTC without a zone)"
    ),
) -> None:
    """Write a billing month of cloud and model charges as FOCUS 1.2 or 1.3.

    Rows are those whose BillingPeriodStart lies in the month. The file gets its name when it is
    complete and adds up to what the warehouse holds; the sums are printed by currency.
    """
    selection = Selection(read_month(month), provider, read_instant(as_of) if as_of else None)
    _, warehouse = connect()
    done = export_focus(warehouse, out, version, selection)
    Console(highlight=False).print(_summary(out, done))


def _summary(out: Path, done: Exported) -> Table:
    table = Table("cost", title=f"{done.rows:,} charges in {out}", title_justify="left")
    table.add_column("total", justify="right", no_wrap=True)
    for currency, sums in done.totals.items():
        table.add_section()
        for name in COST_COLUMNS:
            table.add_row(f"{name} {currency}", f"{sums[name]:f}")
    return table
