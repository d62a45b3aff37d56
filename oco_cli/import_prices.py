"""`oco import prices`: prices that a person states, from a file."""

from pathlib import Path

import typer

from oco_cli.connect import connect


def import_prices(
    path: Path = typer.Argument(help="A .csv file with a heading or a .json list of objects"),
) -> None:
    """Load model prices from a file: all of it or nothing. They win over the catalogue's."""
    from oco_pipelines.llm.price_file import load_prices

    _, warehouse = connect()
    count = load_prices(warehouse, path)
    typer.echo(f"{count} prices written from {path}")
