"""Asks Google Cloud: Asset Inventory and Recommender by their clients, Monitoring by its REST API.

Monitoring's client speaks gRPC alone, which no proxy of HTTP passes on: its REST API is asked
through google-auth's session. The only place that knows Google's libraries here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.gcp_inventory import GcpInventoryOptions
from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account

# Asset Inventory allows 100 questions a minute and project.
REQUESTS_A_SECOND: Final = 1.5
PAGE_SIZE: Final = 1_000
_MOST_PAGES: Final = 10_000
_SECONDS: Final = 60.0
_NO_SUCH_METRIC: Final = 404
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_MONITORING: Final = "https://monitoring.googleapis.com"
ASSET_PERMISSION: Final = "cloudasset.assets.listResource"
METRIC_PERMISSION: Final = "monitoring.timeSeries.list"


class Gcp:
    """The projects of an account.

    Args:
        account: whose credentials.
        options: which projects, and where.
        pace: of all questions together.
        page_size: assets or series a page.
    """

    def __init__(
        self,
        account: "Account",
        options: GcpInventoryOptions,
        pace: Pace | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession

        from oco_pipelines.ingestion.bigquery_credentials import credentials_with

        self.requests = 0
        self._name = account.name
        self._pace = pace or Pace(REQUESTS_A_SECOND)
        self._page_size = page_size
        self._endpoint = options.api_endpoint
        self.credentials: Any = (
            AnonymousCredentials()
            if options.api_endpoint
            else credentials_with(account, os.environ, _SCOPES)
        )
        self._client_options = {"api_endpoint": options.api_endpoint} if self._endpoint else {}
        self._session = AuthorizedSession(self.credentials)

    def assets(self, project: str, types: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, the resource's own document) of every asset of some types.

        Raises:
            MissingPermission: when it is denied.
            OpenCloudOpsError: when Google does not answer, or refuses the question.
        """
        from google.cloud import asset_v1

        client = asset_v1.AssetServiceClient(
            credentials=self.credentials, transport="rest", client_options=self._client_options
        )
        request = {
            "parent": f"projects/{project}",
            "asset_types": list(types),
            "content_type": asset_v1.ContentType.RESOURCE,
            "page_size": self._page_size,
        }
        where = f"account {self._name}: assets of project {project}"
        with self._asking(where, ASSET_PERMISSION):
            pages = iter(client.list_assets(request=request, timeout=_SECONDS).pages)
        while True:
            with self._asking(where, ASSET_PERMISSION):
                page = next(pages, None)
            if page is None:
                return
            for one in page.assets:
                found = asset_v1.Asset.to_dict(one)
                yield found["name"], found["resource"]["data"]

    def advice(
        self, project: str, location: str, recommender: str, permission: str
    ) -> list[dict[str, Any]]:
        """What a recommender says of a place, as its API has it."""
        from google.cloud import recommender_v1

        client = recommender_v1.RecommenderClient(
            credentials=self.credentials, transport="rest", client_options=self._client_options
        )
        parent = f"projects/{project}/locations/{location}/recommenders/{recommender}"
        with self._asking(f"account {self._name}: {parent}", permission):
            found = client.list_recommendations(request={"parent": parent}, timeout=_SECONDS)
            return [
                recommender_v1.Recommendation.to_dict(
                    one, use_integers_for_enums=False, preserving_proto_field_name=False
                )
                for one in found
            ]

    def series(
        self, project: str, request: Mapping[str, str | list[str]]
    ) -> Iterator[dict[str, Any]]:
        """Every time series that answers a question to Cloud Monitoring.

        None of a metric that a project never had, as an agent's where there is no agent.
        """
        url = f"{self._endpoint or _MONITORING}/v3/projects/{project}/timeSeries"
        where = f"account {self._name}: metrics of project {project}"
        token = ""
        for _ in range(_MOST_PAGES):
            asked: dict[str, str | list[str]] = {**request, "pageSize": str(self._page_size)}
            if token:
                asked["pageToken"] = token
            with self._asking(where, METRIC_PERMISSION):
                answer = self._session.get(url, params=asked, timeout=_SECONDS)
                if answer.status_code == _NO_SUCH_METRIC:
                    return
                if answer.status_code != 200:
                    raise _mapped(where, METRIC_PERMISSION, answer.status_code)
                page = answer.json()
            yield from page.get("timeSeries", [])
            token = page.get("nextPageToken", "")
            if not token:
                return
        raise UpstreamUnavailable(f"{where}: the pages do not end")

    @contextmanager
    def _asking(self, where: str, permission: str) -> Iterator[None]:
        import requests
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError, TransportError

        self._pace.wait()
        self.requests += 1
        try:
            yield
        except GoogleAPICallError as error:
            raise _mapped(where, permission, error.code) from None
        except (RetryError, TransportError, requests.RequestException, OSError) as error:
            raise UpstreamUnavailable(
                f"{where}: Google does not answer ({type(error).__name__})"
            ) from None
        except GoogleAuthError as error:
            raise ConfigurationError(
                f"{where}: Google did not accept the credentials ({type(error).__name__})"
            ) from None


def _mapped(where: str, permission: str, status: int | None) -> Exception:
    if status == 401:
        return ConfigurationError(f"{where}: Google did not accept the credentials")
    if status == 403:
        return MissingPermission(
            f"{where}: access is denied, or the API is not enabled", permission
        )
    if status == 429:
        return UpstreamThrottled(f"{where}: Google asks to slow down")
    if status is None or status >= 500:
        return UpstreamUnavailable(f"{where}: Google failed ({status})")
    return InvalidInputError(f"{where}: Google refused the request ({status})")
