"""A cluster whose Velero does nothing by itself: tests say what each object's status is."""

from datetime import UTC, datetime, timedelta
from typing import Any

from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.objects import timestamp
from oco_pipelines.resilience.standin.resources import RESOURCES, Json, Resource
from oco_pipelines.resilience.standin.velero import NAMESPACE

BY_KIND: dict[str, Resource] = {resource.kind: resource for resource in RESOURCES}


def put(cluster: StandinCluster, kind: str, name: str, **body: Any) -> Json:
    """Create an object; its namespace is Velero's."""
    metadata = {"name": name, **body.pop("metadata", {})}
    return cluster.objects.create(BY_KIND[kind], NAMESPACE, {"metadata": metadata, **body})


def say(cluster: StandinCluster, kind: str, name: str, **status: Any) -> None:
    """Merge into an object's status."""

    def edit(body: Json) -> None:
        body["status"] = {**(body.get("status") or {}), **status}

    cluster.objects.change(BY_KIND[kind], NAMESPACE, name, edit)


def drop(cluster: StandinCluster, kind: str, name: str) -> None:
    """Make an object vanish, as one that is missing from the bucket does."""
    cluster.objects.delete(BY_KIND[kind], NAMESPACE, name)


def good(
    started: datetime | None = None, ttl: timedelta = timedelta(days=30), **more: Any
) -> dict[str, Any]:
    """The status of a backup that is a recovery point."""
    started = started or datetime.now(UTC)
    return {
        "phase": "Completed",
        "startTimestamp": timestamp(started),
        "completionTimestamp": timestamp(started + timedelta(minutes=1)),
        "expiration": timestamp(started + ttl),
        "progress": {"totalItems": 3, "itemsBackedUp": 3},
        **more,
    }
