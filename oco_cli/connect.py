"""Settings, warehouse and clusters of a command: embedded servers where nothing is configured."""

from typing import TYPE_CHECKING

from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import Progress, attach
from oco_warehouse.errors import ConfigurationError
from oco_warehouse.settings import Settings, load_settings

if TYPE_CHECKING:
    from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway


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


def open_clusters(settings: Settings) -> "KubernetesGateway":
    """A way to the configured clusters; nothing is contacted yet.

    Raises:
        ConfigurationError: when there is none.
    """
    from oco_pipelines.resilience.kubernetes_gateway import KubernetesGateway

    if settings.kubeconfig is None and not settings.in_cluster_name:
        raise ConfigurationError("no cluster is configured: set OCO_KUBECONFIG to a kubeconfig")
    return KubernetesGateway(settings.kubeconfig, in_cluster=settings.in_cluster_name or None)
