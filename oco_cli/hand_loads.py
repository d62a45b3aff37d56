"""`oco import list` and `oco import withdraw`: what was loaded by hand, and how to take it back."""

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_pipelines.ingestion.hand_loads import hand_loads, named_loads
from oco_pipelines.ingestion.hand_loads import withdraw as take_back


def list_imports() -> None:
    """List the billing files that are loaded and hold."""
    _, warehouse = connect()
    table = Table("file", "loaded (UTC)", "days")
    table.add_column("charges", justify="right")
    table.add_column("billed", justify="right", no_wrap=True)
    for loaded in hand_loads(warehouse):
        billed = "\n".join(
            f"{sums['billed_cost']:f} {currency}" for currency, sums in loaded.totals.items()
        )
        rows = f"{loaded.rows:,}" + (f"\n{loaded.rejected:,} rejected" if loaded.rejected else "")
        when = f"{loaded.loaded_at:%Y-%m-%d %H:%M}"
        table.add_row(loaded.name, when, f"{loaded.first_day}\n{loaded.last_day}", rows, billed)
    if not table.row_count:
        typer.echo("nothing is loaded by hand: see oco import --help", err=True)
        return
    Console(highlight=False).print(table)


def withdraw(
    names: list[str] = typer.Argument(help="Files as `oco import list` names them, or their paths"),
) -> None:
    """Take back files that were loaded by mistake: their charges do not count any more.

    The history keeps them, so that what was believed before can still be asked. Loading a file
    again brings it back.
    """
    _, warehouse = connect()
    for name in named_loads(warehouse, names):
        done = take_back(warehouse, name)
        typer.echo(f"{name}: {done.closed:,} charges withdrawn")
    typer.echo("a running platform rebuilds its marts within minutes; by hand: oco dbt build")
