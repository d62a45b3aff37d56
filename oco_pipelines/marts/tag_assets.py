"""Assets tag_rules and tag_values, and the sensor that moves the marts when rules changed."""

import time
from typing import Final, LiteralString

from dagster import (
    AssetsDefinition,
    DefaultSensorStatus,
    Definitions,
    MaterializeResult,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    asset,
    define_asset_job,
    sensor,
)

from oco_pipelines.resources import WarehouseResource

_INTERVAL_SECONDS: Final = 60


def _rules_asset(name: str, count: LiteralString, description: str) -> AssetsDefinition:
    @asset(name=name, group_name="ingestion", kinds={"postgres"}, description=description)
    def rules(warehouse: WarehouseResource) -> MaterializeResult[None]:
        started = time.monotonic()
        (row,) = warehouse.open().query(count)
        return MaterializeResult(
            metadata={"rows": row["rows"], "seconds": time.monotonic() - started}
        )

    return rules


tag_rules = _rules_asset(
    "tag_rules",
    "SELECT count(*) AS rows FROM oco.tag_rules",
    "Which keys of tags mean the same; `oco tags import` writes them.",
)
tag_values = _rules_asset(
    "tag_values",
    "SELECT count(*) AS rows FROM oco.tag_values",
    "Which values of tags mean the same; `oco tags import` writes them.",
)
tags_job = define_asset_job("tags", selection=[tag_rules, tag_values])


@sensor(
    job=tags_job,
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Moves the marts when the rules for tags were changed.",
)
def new_tag_rules(
    context: SensorEvaluationContext, warehouse: WarehouseResource
) -> RunRequest | SkipReason:
    """One run for each state of the rules that was not seen before."""
    (row,) = warehouse.open().query(
        "SELECT md5(coalesce((SELECT string_agg(r::text, ' ' ORDER BY r.alias) FROM oco.tag_rules "
        "AS r), '') || coalesce((SELECT string_agg(v::text, ' ' ORDER BY v.canonical, v.alias) "
        "FROM oco.tag_values AS v), '')) AS state"
    )
    cursor: str = row["state"]
    if cursor == context.cursor:
        return SkipReason("no rule changed")
    context.update_cursor(cursor)
    # Without a run key: rules that are taken back are an earlier state again.
    return RunRequest()


def build() -> Definitions:
    """Definitions of the rules for tags."""
    return Definitions(assets=[tag_rules, tag_values], jobs=[tags_job], sensors=[new_tag_rules])
