"""What assets get handed: thin Dagster resources that open plain, Dagster-free objects.

Belongs here: resources that more than one domain uses. Does not belong here: connections that are
opened while definitions load, or business rules.
"""

from dagster import ConfigurableResource

from oco_warehouse.database import Warehouse
from oco_warehouse.settings import Settings, load_settings


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """Opens the warehouse.

    Attributes:
        database_url: postgresql:// address; when unset, the settings of the process say where the
            warehouse is, and the embedded server is started when they name none.
    """

    database_url: str | None = None

    def open(self) -> Warehouse:
        """The warehouse; no connection is made until it is used.

        Raises:
            ConfigurationError: when a setting is wrong.
            EmbeddedServerError: when the embedded server does not start.
        """
        return Warehouse(self.database_url or resolve_settings().warehouse_url())


_resolved: list[Settings] = []


def use_settings(settings: Settings) -> None:
    """Let this process work with settings that are resolved already, as a command's are.

    Kept here and not in the resource's configuration, because Dagster stores configuration, and an
    address may hold a password.
    """
    _resolved[:] = [settings]


def resolve_settings() -> Settings:
    """Settings of this process with every address filled in, the embedded servers running.

    The servers stay up as long as the process lives.
    """
    if not _resolved:
        settings = load_settings()
        if settings.uses_embedded_postgres:
            from oco_warehouse.embedded import attach

            settings = attach(settings)
        use_settings(settings)
    return _resolved[0]
