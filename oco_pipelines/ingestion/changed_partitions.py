"""Asks for the partitions of a source that were delivered anew, each version once."""

import json
from collections.abc import Mapping
from typing import Final

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DynamicPartitionsDefinition,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
)

# One tick asks for so many runs at most; the next tick goes on from there.
MAX_REQUESTS: Final = 100


def loaded_mark(instance: DagsterInstance, asset: AssetKey, partition: str) -> object:
    """`mark` of a partition's newest materialisation, by whatever run; None when there is none."""
    found = instance.fetch_materializations(
        AssetRecordsFilter(asset_key=asset, asset_partitions=[partition]), limit=1
    ).records
    event = found[0].asset_materialization if found else None
    return event.metadata["mark"].value if event and "mark" in event.metadata else None


def ask_for_changed(
    context: SensorEvaluationContext,
    asset: AssetKey,
    partitions: DynamicPartitionsDefinition,
    marks: Mapping[str, str],
) -> SensorResult:
    """Ask for each version of a partition once, unless it is loaded already.

    Dagster starts no second run of a key, also when the daemon died before it kept the cursor. The
    number of the tick in it lets a partition that goes back to an earlier version be asked for.

    Args:
        context: of a sensor; its cursor keeps what was asked for.
        asset: whose materialisations say as `mark` which version they loaded.
        partitions: of the asset.
        marks: {partition: a text that changes with what the source has of it}.
    """
    state = json.loads(context.cursor or "{}")
    known, asked = state.get("marks", {}), state.get("asked", 0)
    changed = [key for key, mark in marks.items() if known.get(key) != mark][:MAX_REQUESTS]
    requests = [
        RunRequest(run_key=f"{key}:{marks[key]}:{asked}", partition_key=key)
        for key in changed
        if loaded_mark(context.instance, asset, key) != marks[key]
    ]
    kept = {key: mark for key, mark in known.items() if key in marks}
    told = {
        "marks": {**kept, **{key: marks[key] for key in changed}},
        "asked": asked + bool(requests),
    }
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[partitions.build_add_request(changed)],
        cursor=json.dumps(told),
    )
