"""`oco migrate`: bring the warehouse to this version's schema."""

from rich.console import Console

from oco_warehouse import migrations
from oco_warehouse.embedded import attach
from oco_warehouse.settings import load_settings


def migrate() -> None:
    """Bring the warehouse to this version's schema; does nothing when it is there already."""
    console = Console()
    settings = attach(load_settings())
    with console.status("Migrating the warehouse"):
        applied = migrations.upgrade(settings.warehouse_url())
    for revision in applied:
        console.print(f"applied {revision}", highlight=False)
    console.print(f"The warehouse is at {migrations.head()}.", highlight=False)
