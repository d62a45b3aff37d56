"""Asks Azure: Resource Graph page by page, Monitor resource by resource, Advisor's advice.

The only place that knows Azure's SDKs here. Their own retries wait as Azure's headers say.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from oco_pipelines.ingestion.azure_credentials import credential_of
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.azure_inventory import AzureInventoryOptions
from oco_warehouse.cloud_accounts.azure_query_options import PUBLIC
from oco_warehouse.errors import InvalidInputError, UpstreamThrottled, UpstreamUnavailable

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

# Resource Graph allows 15 questions in 5 seconds, Monitor 12,000 an hour.
REQUESTS_A_SECOND: Final = 3.0
PAGE_SIZE: Final = 1_000
_MOST_PAGES: Final = 10_000
GRAPH_PERMISSION: Final = "Microsoft.Resources/subscriptions/resources/read"
METRIC_PERMISSION: Final = "Microsoft.Insights/metrics/read"
ADVICE_PERMISSION: Final = "Microsoft.Advisor/recommendations/read"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Azure:
    """The subscriptions of an account.

    Args:
        account: whose credentials.
        options: which subscriptions, and where.
        pace: of all questions together.
        page_size: rows a page of Resource Graph.
    """

    def __init__(
        self,
        account: "Account",
        options: AzureInventoryOptions,
        pace: Pace | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        from azure.mgmt.resourcegraph import ResourceGraphClient

        self.requests = 0
        self._name = account.name
        self._endpoint = options.endpoint
        self._pace = pace or Pace(REQUESTS_A_SECOND)
        self._page_size = page_size
        self._credential = credential_of(account, options.identity)
        parts = urlsplit(options.endpoint)
        is_plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        self._options: dict[str, Any] = {"enforce_https": False} if is_plain else {}
        scope = PUBLIC if is_plain else options.endpoint.rstrip("/")
        self._client_options: dict[str, Any] = {
            "credential_scopes": [f"{scope}/.default"],
            "permit_redirects": False,
            "connection_timeout": 10,
            "read_timeout": 120,
            "retry_total": 4,
        }
        self._graph = ResourceGraphClient(self._credential, self._endpoint, **self._client_options)
        self._monitors: dict[str, Any] = {}

    def visible(self, subscriptions: Sequence[str]) -> frozenset[str]:
        """Those of the subscriptions that the identity may see: of others it gets no row."""
        query = (
            "ResourceContainers | where type =~ 'microsoft.resources/subscriptions' "
            "| project id, subscriptionId | order by id asc"
        )
        rows = self.rows(query, subscriptions)
        return frozenset(str(row["subscriptionId"]).lower() for row in rows)

    def resources(self, subscription: str, kind: str) -> Iterator[dict[str, Any]]:
        """Every resource of one of Azure's types in a subscription."""
        # An order by identifier: without one, pages may overlap.
        query = (
            f"Resources | where type =~ '{kind}' | project id, name, type, location, "
            "subscriptionId, resourceGroup, tags, properties, sku, kind, zones, identity, "
            "managedBy, plan | order by id asc"
        )
        return self.rows(query, [subscription])

    def rows(self, query: str, subscriptions: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Every row of every page of a question to Resource Graph.

        Raises:
            MissingPermission: when it is denied.
            UpstreamError: when Azure does not answer, or the pages do not end.
        """
        from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

        token: str | None = None
        for _ in range(_MOST_PAGES):
            options = QueryRequestOptions(
                result_format="objectArray", top=self._page_size, skip_token=token
            )
            request = QueryRequest(query=query, subscriptions=list(subscriptions), options=options)
            with self._asking("Azure Resource Graph", GRAPH_PERMISSION):
                page = self._graph.resources(request, **self._options)
            found: Any = page.data
            yield from found
            token = page.skip_token
            if not token:
                return
        raise UpstreamUnavailable(f"account {self._name}: the pages of Resource Graph do not end")

    def metrics(
        self,
        subscription: str,
        resource_id: str,
        names: Sequence[str],
        start: datetime,
        end: datetime,
    ) -> list[Any]:
        """Hours of a resource's metrics, as Monitor's SDK models them, without unknown metrics.

        Azure refuses the whole request for one name that it does not know of the resource: then
        each is asked for by itself.
        """
        if subscription not in self._monitors:
            from azure.mgmt.monitor import MonitorManagementClient

            self._monitors[subscription] = MonitorManagementClient(
                self._credential, subscription, self._endpoint, **self._client_options
            )
        where = f"metrics of {resource_id}"
        try:
            with self._asking(where, METRIC_PERMISSION):
                answer = self._monitors[subscription].metrics.list(
                    resource_id,
                    timespan=f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}",
                    interval="PT1H",
                    metricnames=",".join(names),
                    aggregation="Average,Maximum,Minimum,Total,Count",
                    **self._options,
                )
        except InvalidInputError:
            if len(names) > 1:
                return [
                    metric
                    for name in names
                    for metric in self.metrics(subscription, resource_id, [name], start, end)
                ]
            # As of a load balancer of the basic kind, which measures nothing; or it is gone.
            return []
        return list(answer.value or ())

    def advice(self, subscription: str) -> list[Any]:
        """Cost recommendations of Advisor, as its SDK models them."""
        from azure.mgmt.advisor import AdvisorManagementClient

        client = AdvisorManagementClient(
            self._credential, subscription, self._endpoint, **self._client_options
        )
        with self._asking("Azure Advisor", ADVICE_PERMISSION):
            return list(client.recommendations.list(filter="Category eq 'Cost'", **self._options))

    @contextmanager
    def _asking(self, what: str, permission: str) -> Iterator[None]:
        from azure.core import exceptions

        self._pace.wait()
        self.requests += 1
        where = f"account {self._name}: {what}"
        try:
            yield
        except exceptions.HttpResponseError as error:
            raise _mapped(where, permission, error.status_code) from None
        except exceptions.AzureError as error:
            raise UpstreamUnavailable(
                f"{where}: Azure does not answer ({type(error).__name__})"
            ) from None


def _mapped(where: str, permission: str, status: int | None) -> Exception:
    if status in {401, 403}:
        return MissingPermission(f"{where}: access is denied ({status})", permission)
    if status == 429:
        return UpstreamThrottled(f"{where}: Azure asks to slow down")
    if status is None or status >= 500:
        return UpstreamUnavailable(f"{where}: Azure failed ({status})")
    return InvalidInputError(f"{where}: Azure refused the request ({status})")
