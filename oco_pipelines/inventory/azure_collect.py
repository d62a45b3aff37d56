"""One run over the subscriptions of an Azure account."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from oco_pipelines.inventory.azure_access import GRAPH_PERMISSION, Azure
from oco_pipelines.inventory.azure_metrics import metrics_of, names_of
from oco_pipelines.inventory.azure_resources import TYPES, resource
from oco_pipelines.inventory.bill_names import as_on_the_bill, bill_names
from oco_pipelines.inventory.collecting import (
    Collected,
    Say,
    keep,
    keep_metrics,
    list_kind,
    metrics_listing,
)
from oco_pipelines.inventory.found import ADVICE, RECOMMENDATIONS, FoundResource, as_json
from oco_pipelines.inventory.metric_store import METRIC_SCHEMA, read_until, write_metrics
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.store import forget_other_listings
from oco_pipelines.inventory.windows import HOUR, window_of
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.azure_inventory import AzureInventoryOptions, parse_inventory
from oco_warehouse.database import Warehouse

SOURCE: Final = "azure.monitor"
# Resources whose metrics are written together.
_BATCH: Final = 100
Advice = Mapping[str, list[Mapping[str, Any]]]


@dataclass(slots=True)
class AzureCollected:
    """What a run did; `left` resources wait for the next run with their metrics."""

    collected: Collected
    requests: int = 0
    metric_requests: int = 0
    intervals: int = 0
    changed: int = 0
    left: int = 0
    advice: int = field(default=0)


def collect(
    warehouse: Warehouse,
    account: Account,
    *,
    azure: Azure | None = None,
    now: datetime | None = None,
    say: Say = lambda _: None,
) -> AzureCollected:
    """List what the subscriptions have, and read how busy it was.

    Args:
        warehouse: migrated.
        account: of kind inventory.
        azure: instead of a new connection.
        now: instead of the clock.
        say: told of every problem.

    Raises:
        ConfigurationError: when there are no credentials.
        OpenCloudOpsError: when Azure as a whole does not answer.
    """
    options = parse_inventory(account)
    azure = azure or Azure(account, options)
    done = AzureCollected(Collected(account.name, "azure"))
    try:
        visible = azure.visible(options.subscriptions)
    except MissingPermission:
        # Told of every kind below: there may be advice and metrics all the same.
        visible = frozenset()
    moment = now or datetime.now(UTC)
    for subscription in options.subscriptions:
        advice = _advice(warehouse, azure, subscription, done, say)
        found = _list(warehouse, azure, subscription, subscription in visible, advice, done, say)
        if options.metrics:
            _metrics(warehouse, azure, subscription, found, options, moment, done, say)
    forget_other_listings(warehouse, account.name, done.collected.places)
    done.requests = azure.requests
    return done


def _list(
    warehouse: Warehouse,
    azure: Azure,
    subscription: str,
    is_visible: bool,
    advice: Advice,
    done: AzureCollected,
    say: Say,
) -> list[FoundResource]:
    names = bill_names(warehouse, "azure", subscription)
    found: list[FoundResource] = []
    disks: frozenset[str] | None = None
    for kind in TYPES:
        listing = list_kind(
            done.collected,
            subscription,
            "",
            kind,
            _resources(azure, subscription, kind, is_visible, disks),
        )
        if kind == "azure.disk" and listing.is_whole:
            disks = frozenset(one.resource_id for one in listing.found)
        told = [as_on_the_bill(with_advice(one, advice), (), names) for one in listing.found]
        keep(warehouse, done.collected, replace(listing, found=told), say)
        found += told
    return found


def _resources(
    azure: Azure, subscription: str, kind: str, is_visible: bool, disks: frozenset[str] | None
) -> Iterator[FoundResource]:
    if not is_visible:
        # Resource Graph answers nothing about it: that is no empty subscription.
        raise MissingPermission(
            f"subscription {subscription}: the identity may not see it", GRAPH_PERMISSION
        )
    for row in azure.resources(subscription, TYPES[kind]):
        yield resource(kind, as_json(row), disks)


def with_advice(resource: FoundResource, advice: Advice) -> FoundResource:
    """The resource, with what its cloud recommends about it beside what it reports."""
    told = advice.get(resource.resource_id.lower())
    if not told:
        return resource
    return replace(resource, attributes={**resource.attributes, RECOMMENDATIONS: told})


def _advice(
    warehouse: Warehouse, azure: Azure, subscription: str, done: AzureCollected, say: Say
) -> Advice:
    """{resource: what Advisor recommends}; kept as evidence beside the resource's attributes."""
    found: dict[str, list[Mapping[str, Any]]] = {}

    def read() -> Iterator[FoundResource]:
        for one in azure.advice(subscription):
            target = getattr(one.resource_metadata, "resource_id", None) or one.impacted_value
            if target:
                found.setdefault(str(target).lower(), []).append(as_json(one.as_dict()))
                done.advice += 1
        yield from ()

    listing = list_kind(done.collected, subscription, "", ADVICE, read())
    keep_metrics(warehouse, done.collected, listing, say)
    return found


def _metrics(
    warehouse: Warehouse,
    azure: Azure,
    subscription: str,
    resources: Sequence[FoundResource],
    options: AzureInventoryOptions,
    now: datetime,
    done: AzureCollected,
    say: Say,
) -> None:
    known = read_until(warehouse, "azure", [subscription])

    def age(one: FoundResource) -> float:
        until = known.get((subscription, one.resource_id))
        return until.timestamp() if until else 0.0

    def read() -> None:
        frames: list[pl.DataFrame] = []
        until: dict[str, datetime] = {}
        for one in sorted((one for one in resources if names_of(one.resource_type)), key=age):
            window = window_of(
                HOUR, known.get((subscription, one.resource_id)), now, options.metric_days
            )
            if window is None:
                continue
            if done.metric_requests >= options.metric_requests:
                done.left += 1
                continue
            names, before = names_of(one.resource_type), azure.requests
            answer = azure.metrics(
                subscription, str(one.attributes["id"]), names, window.start, window.end
            )
            done.metric_requests += azure.requests - before
            frames.append(metrics_of(one.resource_type, one.resource_id, answer))
            until[one.resource_id] = window.end
            if len(frames) >= _BATCH:
                _write(warehouse, subscription, frames, until, done)
        _write(warehouse, subscription, frames, until, done)

    listing = metrics_listing(done.collected, subscription, "", read)
    keep_metrics(warehouse, done.collected, listing, say)


def _write(
    warehouse: Warehouse,
    subscription: str,
    frames: list[pl.DataFrame],
    until: dict[str, datetime],
    done: AzureCollected,
) -> None:
    metrics = pl.concat(frames) if frames else METRIC_SCHEMA.to_frame()
    done.intervals += metrics.height
    done.changed += write_metrics(warehouse, "azure", subscription, metrics, until, SOURCE)
    frames.clear()
    until.clear()
