"""`oco invoices`: the invoices that bills are held against."""

from pathlib import Path

import typer

from oco_cli.connect import connect


def import_invoices(
    path: Path = typer.Argument(
        help="CSV with provider, billing_account, invoice_id, period, currency, total"
    ),
) -> None:
    """Write the invoices of a file: all of it or nothing. A stated invoice's total is replaced."""
    from oco_pipelines.showback.invoice_file import import_invoices as write
    from oco_pipelines.showback.invoice_file import read_invoice_file

    invoices = read_invoice_file(path)
    _, warehouse = connect()
    changed = write(warehouse, invoices)
    typer.echo(f"{len(invoices)} invoices read from {path}: {changed} written")
    typer.echo(
        "a running platform rebuilds fct_reconciliation within minutes; by hand: "
        "oco dbt build --select fct_reconciliation",
        err=True,
    )
