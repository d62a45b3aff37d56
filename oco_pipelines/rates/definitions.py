"""Asset exchange_rates and its schedule."""

import time
from typing import Final

from dagster import (
    AssetsDefinition,
    DefaultScheduleStatus,
    Definitions,
    Failure,
    MaterializeResult,
    RetryRequested,
    ScheduleDefinition,
    asset,
)

from oco_pipelines.resources import WarehouseResource
from oco_warehouse.errors import InvalidInputError, UpstreamError
from oco_warehouse.settings import Settings

# The ECB publishes at about 16:00 in Frankfurt.
RATES_CRON: Final = "30 16 * * *"
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 60


def exchange_rates_asset(settings: Settings) -> AssetsDefinition:
    """The asset over what the settings name."""

    @asset(name="exchange_rates", group_name="ingestion", kinds={"python", "postgres"})
    def exchange_rates(warehouse: WarehouseResource) -> MaterializeResult[None]:
        """Monthly exchange rates: stated in OCO_EXCHANGE_RATES, fetched from the ECB if so set.

        A stated rate wins over a fetched one. Bills are converted with what stands here; a rate
        that changed converts them again when they are read next.
        """
        from oco_pipelines.rates.rate_store import refresh

        started = time.monotonic()
        house = warehouse.open()
        try:
            done = refresh(house, settings)
        except UpstreamError as error:
            raise RetryRequested(_RETRIES, seconds_to_wait=_RETRY_SECONDS) from error
        except InvalidInputError as error:
            raise Failure(description=str(error), allow_retries=False) from error
        (row,) = house.query(
            "SELECT count(*) AS rates, count(*) FILTER (WHERE NOT fetched) AS stated, "
            "min(month)::text AS first, max(month)::text AS last FROM oco.exchange_rates"
        )
        return MaterializeResult(
            metadata={
                "rows": row["rates"],
                "rows_stated": row["stated"],
                "rows_written": sum(written.changed for written in done.values()),
                "sources": ", ".join(done) or "none is set",
                "window": f"{row['first']} to {row['last']}" if row["rates"] else "no rates",
                "seconds": time.monotonic() - started,
            }
        )

    return exchange_rates


def build(settings: Settings) -> Definitions:
    """Definitions of the domain."""
    rates = exchange_rates_asset(settings)
    daily = ScheduleDefinition(
        name="exchange_rates_daily",
        cron_schedule=RATES_CRON,
        execution_timezone="UTC",
        target=[rates],
        default_status=DefaultScheduleStatus.RUNNING,
        description="Reads stated rates again, and fetches the ECB's where an address is set.",
    )
    return Definitions(assets=[rates], schedules=[daily])
