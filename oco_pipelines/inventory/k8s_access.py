"""Asks a Kubernetes cluster through its own client, list by list and page by page."""

from typing import TYPE_CHECKING, Final

from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.kubernetes_lists import PAGE_SIZE, Json, PageExpiredError, whole_list
from oco_warehouse.errors import (
    ConfigurationError,
    NotFoundError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.account import Account
    from oco_warehouse.cloud_accounts.k8s_inventory import KubernetesInventoryOptions

_TIMEOUT: Final = (5.0, 30.0)
# What is listed: its path, and how RBAC calls it.
LISTS: Final = {
    "namespaces": ("/api/v1/namespaces", "list namespaces"),
    "pods": ("/api/v1/pods", "list pods"),
    "deployments": ("/apis/apps/v1/deployments", "list deployments.apps"),
    "metrics": ("/apis/metrics.k8s.io/v1beta1/pods", "list pods.metrics.k8s.io"),
}


class Kubernetes:
    """A cluster.

    Args:
        account: says where the kubeconfig is.
        options: which context of it.
        page_size: objects a page.

    Raises:
        ConfigurationError: when the kubeconfig cannot be used.
    """

    def __init__(
        self,
        account: "Account",
        options: "KubernetesInventoryOptions",
        page_size: int = PAGE_SIZE,
    ) -> None:
        from kubernetes import client, config
        from kubernetes.config.config_exception import ConfigException
        from yaml import YAMLError

        self.requests = 0
        self._name = account.name
        self._page_size = page_size
        path = account.credentials.path
        try:
            if account.credentials.origin == "instance_role":
                own = client.Configuration()
                config.load_incluster_config(client_configuration=own)
                self._client = client.ApiClient(own)
            else:
                self._client = config.new_client_from_config(
                    config_file=str(path), context=options.context, persist_config=False
                )
        except (ConfigException, YAMLError, OSError, TypeError, KeyError) as error:
            where = path if path is not None else "the service account of this pod"
            raise ConfigurationError(
                f"account {account.name}: {where} cannot be used as a kubeconfig "
                f"({type(error).__name__})"
            ) from None

    def list(self, what: str) -> list[Json]:
        """Every object of a list of LISTS; begins again where a page has expired meanwhile.

        Raises:
            MissingPermission: naming verb and resource.
            NotFoundError: when the cluster does not serve such objects.
            UpstreamError: when it does not answer.
        """
        path, permission = LISTS[what]
        return whole_list(
            f"account {self._name}: {path}", lambda token: self._get(path, permission, token)
        )

    def _get(self, path: str, permission: str, token: str) -> Json:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        where = f"account {self._name}: {path}"
        query = [("limit", str(self._page_size)), *([("continue", token)] if token else [])]
        self.requests += 1
        try:
            answer = self._client.call_api(
                path,
                "GET",
                query_params=query,
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=_TIMEOUT,
            )
        except ApiException as error:
            raise _mapped(where, permission, error.status) from None
        except (HTTPError, OSError) as error:
            raise UpstreamUnavailable(
                f"{where}: the cluster does not answer ({type(error).__name__})"
            ) from None
        found: Json = answer
        return found


def _mapped(where: str, permission: str, status: int | None) -> Exception:
    if status == 410:
        return PageExpiredError()
    if status == 401:
        return ConfigurationError(f"{where}: the cluster does not accept the credentials")
    if status == 403:
        return MissingPermission(f"{where}: access is denied", permission)
    if status == 404:
        return NotFoundError(f"{where}: the cluster does not serve it")
    if status == 429:
        return UpstreamThrottled(f"{where}: the cluster asks to slow down")
    return UpstreamUnavailable(f"{where}: the cluster failed ({status})")
