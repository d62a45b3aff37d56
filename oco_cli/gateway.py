"""`oco gateway`: the gateway alone, as a container runs it."""

import os
import sys

import typer

from oco_cli.environment import process_environment
from oco_warehouse import migrations
from oco_warehouse.embedded import attach
from oco_warehouse.settings import load_settings


def gateway() -> None:
    """Run the gateway alone, until a signal."""
    from oco_proxy.__main__ import main

    settings = attach(load_settings())
    migrations.upgrade(settings.warehouse_url())
    os.environ.update(process_environment(settings))
    typer.echo(f"Gateway on http://{settings.host}:{settings.port}", err=True)
    sys.exit(main())
