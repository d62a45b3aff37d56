"""`oco url` and `oco env`: where the warehouse is, for psql, BI tools and other programs."""

import shlex

import typer

from oco_cli.environment import process_environment
from oco_warehouse.embedded import attach
from oco_warehouse.settings import load_settings


def url() -> None:
    """Print the warehouse's address, password included.

    An embedded server listens as long as something uses it: keep `oco up` running.
    """
    typer.echo(attach(load_settings()).warehouse_url())


def env() -> None:
    """Print export lines for psql, dbt and dagster, as in `eval "$(oco env)"`."""
    for name, value in sorted(process_environment(attach(load_settings())).items()):
        typer.echo(f"export {name}={shlex.quote(value)}")
