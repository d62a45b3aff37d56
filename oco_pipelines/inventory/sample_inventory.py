"""The shipped sample's inventory and metrics, written as any other."""

import polars as pl

from oco_pipelines.ingestion import sample
from oco_pipelines.inventory.facts import aws_family, azure_family, gcp_family, known
from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.metric_store import METRIC_SCHEMA, write_metrics
from oco_pipelines.inventory.store import write_resources
from oco_warehouse.database import Warehouse

_FAMILIES = {"aws": aws_family, "azure": azure_family, "gcp": gcp_family}


def write_sample(warehouse: Warehouse) -> tuple[int, int]:
    """(resources, metrics) of the sample."""
    found = [_resource(one) for one in sample.read_resources()]
    write_resources(warehouse, found)
    metrics = sample.read_metrics()
    for owner in sorted({(one.provider, one.account_id) for one in metrics}):
        own = [one for one in metrics if (one.provider, one.account_id) == owner]
        write_metrics(warehouse, *owner, _frame(own), {}, "sample")
    return len(found), len(metrics)


def _frame(metrics: list[sample.SampleMetric]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                *(one.resource_id, one.metric, one.interval_start, one.interval_seconds),
                *(float(one.average), float(one.maximum), float(one.p99), one.sample_count),
            )
            for one in metrics
        ],
        schema=METRIC_SCHEMA,
        orient="row",
    )


def _resource(one: sample.SampleResource) -> FoundResource:
    family, generation = _FAMILIES[one.provider](one.size)
    return FoundResource(
        one.provider,
        one.account_id,
        one.resource_id,
        one.resource_type,
        one.resource_name,
        one.region,
        one.state,
        one.size,
        one.tags,
        one.attributes,
        known(family=family, generation=generation),
    )
