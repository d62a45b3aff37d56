"""Settings and warehouse for a command: embedded servers where nothing else is configured."""

from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import Progress, attach
from oco_warehouse.settings import Settings, load_settings


def connect(
    progress: Progress | None = None, *, migrate: bool = True
) -> tuple[Settings, Warehouse]:
    """The settings with every address filled in, and the warehouse at this version's schema.

    Raises:
        ConfigurationError: when a setting is wrong.
        EmbeddedServerError: when an embedded server does not start.
        WarehouseError: when the warehouse cannot be reached or migrated.
    """
    settings = attach(load_settings(), progress)
    url = settings.warehouse_url()
    if migrate:
        migrations.upgrade(url)
    return settings, Warehouse(url)
