"""`oco rates`: exchange rates of bills that are not in USD."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from oco_cli.connect import connect
from oco_warehouse.errors import InvalidInputError


def list_rates(
    currency: str | None = typer.Option(None, help="Only rates from this currency, as EUR"),
    limit: int = typer.Option(60, min=1, help="How many at most, newest first"),
) -> None:
    """List rates, newest month first, each with where it is from."""
    _, warehouse = connect()
    table = Table("month", "from", "to")
    table.add_column("rate", justify="right", no_wrap=True)
    table.add_column("stated or fetched")
    table.add_column("source")
    for row in warehouse.query(
        "SELECT *, count(*) OVER () AS total FROM oco.exchange_rates "
        "WHERE %(currency)s::text IS NULL OR from_currency = upper(%(currency)s) "
        "ORDER BY month DESC, from_currency, to_currency LIMIT %(limit)s",
        {"currency": currency, "limit": limit},
    ):
        table.add_row(
            f"{row['month']:%Y-%m}",
            row["from_currency"],
            row["to_currency"],
            f"{row['rate']:f}",
            "fetched" if row["fetched"] else "stated",
            row["source"],
        )
        table.caption = f"{min(limit, row['total'])} of {row['total']} rates"
    Console(highlight=False).print(table)


def import_rates(
    path: Path = typer.Argument(help="A CSV file: month,from,to,rate and maybe source"),
) -> None:
    """Load rates from a file: all of it or nothing. They win over fetched ones."""
    from oco_pipelines.rates.rate_store import import_file

    _, warehouse = connect()
    done = import_file(warehouse, path)
    typer.echo(f"{done.changed} of {done.read} rates were new or changed, from {path}")


def fetch() -> None:
    """Fetch the ECB's rates from OCO_EXCHANGE_RATES_URL; stated rates stay as they are."""
    from oco_pipelines.rates.rate_store import fetch as fetch_rates

    settings, warehouse = connect()
    url = settings.exchange_rates_url
    if url is None:
        raise InvalidInputError(
            "no address to fetch from: set OCO_EXCHANGE_RATES_URL, as to the ECB's "
            "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip"
        )
    done = fetch_rates(warehouse, url)
    typer.echo(f"{done.changed} of {done.read} rates were new or changed, from {url}")
