"""Namespaces and deployments: what they request, and what they use of it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.inventory.facts import known, moment
from oco_pipelines.inventory.found import FoundResource
from oco_pipelines.inventory.k8s_quantity import quantity
from oco_pipelines.inventory.metric_store import METRIC_SCHEMA

Document = Mapping[str, Any]
NAMESPACE: Final = "k8s.namespace"
DEPLOYMENT: Final = "k8s.deployment"
_GIB: Final = Decimal(1024**3)
# Pods that hold nothing any more.
_ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Amount:
    """Processors in cores and memory in bytes."""

    cores: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cores + other.cores, self.memory + other.memory)


def namespace(cluster: str, document: Document, requested: Mapping[str, Amount]) -> FoundResource:
    """A namespace, with what its pods request."""
    name = document["metadata"]["name"]
    return _resource(cluster, NAMESPACE, namespace_id(name), document, requested.get(name))


def deployment(cluster: str, document: Document) -> FoundResource:
    """A deployment, with what all of its replicas request."""
    meta, spec = document["metadata"], document.get("spec") or {}
    one = requests_of((spec.get("template") or {}).get("spec") or {})
    replicas = Decimal(spec.get("replicas", 1) or 0)
    total = Amount(one.cores * replicas, one.memory * replicas)
    identity = f"{namespace_id(meta['namespace'])}/deployments/{meta['name']}"
    return _resource(cluster, DEPLOYMENT, identity, document, total)


def namespace_id(name: str) -> str:
    """Identifier of a namespace in its cluster."""
    return f"namespaces/{name}"


def requested_by_namespace(pods: Iterable[Document]) -> dict[str, Amount]:
    """{namespace: what its pods that have not ended request}."""
    found: dict[str, Amount] = defaultdict(Amount)
    for pod in pods:
        if (pod.get("status") or {}).get("phase") not in _ENDED:
            found[pod["metadata"]["namespace"]] += requests_of(pod.get("spec") or {})
    return dict(found)


def requests_of(spec: Document) -> Amount:
    """What a pod's containers request together; of those that only begin it the largest, if larger.

    A container with limits and no requests requests its limits, as the scheduler has it.
    """
    whole = sum((_of_container(one) for one in spec.get("containers") or ()), Amount())
    first = [_of_container(one) for one in spec.get("initContainers") or ()]
    overhead = _amount(spec.get("overhead") or {})
    largest = Amount(
        max([whole.cores, *(one.cores for one in first)]),
        max([whole.memory, *(one.memory for one in first)]),
    )
    return largest + overhead


def usage_metrics(
    usage: Iterable[Document], requested: Mapping[str, Amount]
) -> tuple[pl.DataFrame, dict[str, datetime]]:
    """Share of its requests that each namespace uses now, of METRIC_SCHEMA; and until when.

    An interval is the moment that the cluster measured, some seconds: nothing is said of the rest.
    """
    used: dict[str, Amount] = defaultdict(Amount)
    ends: dict[str, datetime] = {}
    seconds: dict[str, int] = {}
    for pod in usage:
        name = pod["metadata"]["namespace"]
        used[name] += sum((_amount(one["usage"]) for one in pod.get("containers", [])), Amount())
        end = datetime.fromisoformat(pod["timestamp"])
        ends[name] = max(ends.get(name, end), end)
        seconds[name] = max(seconds.get(name, 1), _seconds(pod.get("window", "")))
    rows = []
    for name, amount in sorted(used.items()):
        base = requested.get(name, Amount())
        start = datetime.fromtimestamp(ends[name].timestamp() - seconds[name], ends[name].tzinfo)
        for metric, part, whole in (
            ("cpu_percent", amount.cores, base.cores),
            ("memory_percent", amount.memory, base.memory),
        ):
            if whole > 0:
                share = float(part / whole * 100)
                rows.append(
                    (namespace_id(name), metric, start, seconds[name], share, share, None, 1)
                )
    frame = pl.DataFrame(rows, schema=METRIC_SCHEMA, orient="row")
    return frame, {namespace_id(name): end for name, end in ends.items()}


def _resource(
    cluster: str, kind: str, identity: str, document: Document, requested: Amount | None
) -> FoundResource:
    meta = document["metadata"]
    amount = requested or Amount()
    facts = known(
        created_at=moment(meta.get("creationTimestamp")),
        vcpu=float(amount.cores),
        memory_gib=float(amount.memory / _GIB),
    )
    return FoundResource(
        "kubernetes",
        cluster,
        identity,
        kind,
        meta["name"],
        None,
        (document.get("status") or {}).get("phase"),
        None,
        dict(meta.get("labels") or {}),
        document,
        facts,
    )


def _of_container(container: Document) -> Amount:
    resources = container.get("resources") or {}
    return _amount({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amount(told: Document) -> Amount:
    return Amount(quantity(str(told.get("cpu", "0"))), quantity(str(told.get("memory", "0"))))


def _seconds(window: str) -> int:
    """Of a window as the cluster tells it, as in 15.2s or 1m0s; 1 where it tells none."""
    total, number = Decimal(0), ""
    for letter in window:
        if letter.isdigit() or letter == ".":
            number += letter
            continue
        total += Decimal(number or 0) * {"h": 3600, "m": 60, "s": 1}.get(letter, 0)
        number = ""
    return max(1, round(total))
