"""One run over a Kubernetes cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oco_pipelines.inventory.collecting import (
    Collected,
    Say,
    keep,
    keep_metrics,
    list_kind,
    metrics_listing,
)
from oco_pipelines.inventory.found import FoundResource, as_json
from oco_pipelines.inventory.k8s_access import Kubernetes
from oco_pipelines.inventory.k8s_resources import (
    DEPLOYMENT,
    NAMESPACE,
    Amount,
    deployment,
    namespace,
    requested_by_namespace,
    usage_metrics,
)
from oco_pipelines.inventory.metric_store import write_metrics
from oco_pipelines.inventory.store import forget_other_listings
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.k8s_inventory import parse_inventory
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import NotFoundError

SOURCE: Final = "k8s.metrics"


@dataclass(slots=True)
class KubernetesCollected:
    """What a run did; `has_metrics` is false where the cluster tells no use."""

    collected: Collected
    requests: int = 0
    intervals: int = 0
    has_metrics: bool = True


def collect(
    warehouse: Warehouse,
    account: Account,
    *,
    cluster: Kubernetes | None = None,
    say: Say = lambda _: None,
) -> KubernetesCollected:
    """List namespaces and deployments, and read what namespaces use of their requests.

    Args:
        warehouse: migrated.
        account: of kind inventory.
        cluster: instead of a new connection.
        say: told of every problem.

    Raises:
        ConfigurationError: when the kubeconfig cannot be used, or is not accepted.
    """
    options = parse_inventory(account)
    cluster = cluster or Kubernetes(account, options)
    done = KubernetesCollected(Collected(account.name, "kubernetes"))
    requested: dict[str, Amount] = {}

    def namespaces() -> Iterator[FoundResource]:
        requested.update(requested_by_namespace(cluster.list("pods")))
        for one in cluster.list("namespaces"):
            yield namespace(options.cluster, as_json(one), requested)

    def deployments() -> Iterator[FoundResource]:
        for one in cluster.list("deployments"):
            yield deployment(options.cluster, as_json(one))

    for kind, found in ((NAMESPACE, namespaces()), (DEPLOYMENT, deployments())):
        listing = list_kind(done.collected, options.cluster, "", kind, found)
        keep(warehouse, done.collected, listing, say)

    def metrics() -> None:
        try:
            usage = list(cluster.list("metrics"))
        except NotFoundError:
            # A cluster without a metrics server: requests are all that is known of it.
            done.has_metrics = False
            return
        frame, until = usage_metrics(usage, requested)
        done.intervals = frame.height
        write_metrics(warehouse, "kubernetes", options.cluster, frame, until, SOURCE)

    if options.metrics:
        listing = metrics_listing(done.collected, options.cluster, "", metrics)
        keep_metrics(warehouse, done.collected, listing, say)
    forget_other_listings(warehouse, account.name, done.collected.places)
    done.requests = cluster.requests
    return done
