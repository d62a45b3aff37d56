"""The root of the code location: merges the domains and applies what cuts across them.

Belongs here: the list of domains, the resources that all share, the executor, and the sensor that
evaluates automation conditions. Does not belong here: an asset, a schedule or a rule of a domain.
Nothing here touches the network or a database.
"""

from collections.abc import Callable
from typing import Final

from dagster import (
    AssetSelection,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
    Definitions,
    in_process_executor,
)

from oco_pipelines.ingestion.definitions import build as ingestion
from oco_pipelines.inventory.definitions import build as inventory
from oco_pipelines.llm.definitions import build as llm
from oco_pipelines.maintenance.definitions import build as maintenance
from oco_pipelines.marts.definitions import build as marts
from oco_pipelines.optimizer.definitions import build as optimizer
from oco_pipelines.policy.definitions import build as policy
from oco_pipelines.rates.definitions import build as rates
from oco_pipelines.resilience.definitions import build as resilience
from oco_pipelines.resources import WarehouseResource
from oco_pipelines.showback.definitions import build as showback
from oco_pipelines.trends.definitions import build as trends
from oco_warehouse.settings import Settings, load_settings

# In the order in which the data flows.
DOMAINS: Final[tuple[Callable[[Settings], Definitions], ...]] = (
    maintenance,
    llm,
    rates,
    ingestion,
    inventory,
    resilience,
    showback,
    marts,
    trends,
    optimizer,
    policy,
)
_AUTOMATION_INTERVAL_SECONDS: Final = 30


def build(settings: Settings, warehouse: WarehouseResource | None = None) -> Definitions:
    """All definitions of the platform.

    Args:
        settings: typed settings; domains read their schedules and sources from them.
        warehouse: stands in for the warehouse of the settings, as tests need it.

    Raises:
        DbtProjectError: when the dbt project does not parse.
    """
    automation = AutomationConditionSensorDefinition(
        "automation",
        target=AssetSelection.all(),
        default_status=DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_AUTOMATION_INTERVAL_SECONDS,
        description="Builds what lies behind an asset that moved.",
    )
    shared = Definitions(
        resources={"warehouse": warehouse or WarehouseResource()},
        executor=in_process_executor,
        sensors=[automation],
    )
    return Definitions.merge(shared, *(domain(settings) for domain in DOMAINS))


defs = build(load_settings())
