"""The one module that knows the dialect of Kubernetes and of its Python client.

Hands out and takes plain dicts. Every call has a timeout, tries again on throttling and outages
with a total deadline, and raises errors of our own tree. Imports the client when it is used.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oco_warehouse.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

Json = dict[str, Any]

VELERO_GROUP: Final = "velero.io"
VELERO_VERSION: Final = "v1"
BACKUPS: Final = "backups"
RESTORES: Final = "restores"
LOCATIONS: Final = "backupstoragelocations"
# (kind, version) of what tells how much volume data was moved, where a cluster's Velero does so.
MOVED: Final = (("datauploads", "v2alpha1"), ("podvolumebackups", VELERO_VERSION))
PAGE: Final = 250
MOST_PAGES: Final = 400
MOST_RELISTS: Final = 3
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an API server, in seconds."""

    connect: float = 5.0
    read: float = 30.0
    deadline: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 10.0


@dataclass(slots=True)
class KubernetesGateway:
    """The clusters of one kubeconfig, each named by its context.

    Args:
        kubeconfig: the file; None when only the cluster that we run in is known.
        in_cluster: name of the cluster that we run in, reached with the pod's service account.
        namespace: where Velero and its objects live.
        patience: timeouts and the deadline of retries.
    """

    kubeconfig: Path | None
    namespace: str = "velero"
    patience: Patience = field(default_factory=Patience)
    in_cluster: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clusters(self) -> list[str]:
        """Names of the contexts, and of the cluster that we run in.

        Raises:
            ConfigurationError: when the file cannot be read as a kubeconfig.
        """
        ours = {self.in_cluster} if self.in_cluster else set()
        return sorted(ours | set(self._contexts()))

    def _contexts(self) -> list[str]:
        if self.kubeconfig is None:
            return []
        from kubernetes.config import list_kube_config_contexts
        from kubernetes.config.config_exception import ConfigException
        from yaml import YAMLError

        try:
            contexts, _ = list_kube_config_contexts(str(self.kubeconfig))
        except (ConfigException, YAMLError, OSError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"OCO_KUBECONFIG {self.kubeconfig} cannot be read: {reason}"
            ) from None
        return [context["name"] for context in contexts]

    def list_velero(
        self, cluster: str, plural: str, selector: str = "", version: str = VELERO_VERSION
    ) -> list[Json]:
        """All objects of a Velero kind, by pages; listed anew when a page has expired (410).

        Raises:
            UpstreamError: when the cluster refuses, throttles or does not answer.
        """
        for _ in range(MOST_RELISTS):
            try:
                return list(self._pages(cluster, plural, selector, version))
            except _PageExpiredError:
                continue
        raise UpstreamError(f"cluster {cluster!r}: lists of {plural} expire before they end")

    def get_velero(self, cluster: str, plural: str, name: str) -> Json:
        """One object of a Velero kind.

        Raises:
            NotFoundError: when there is none.
            UpstreamError: as for `list_velero`.
        """
        custom = self._custom(cluster)
        answer: Json = self._call(
            f"get {plural}/{name}",
            cluster,
            lambda timeout: custom.get_namespaced_custom_object(
                VELERO_GROUP, VELERO_VERSION, self.namespace, plural, name, _request_timeout=timeout
            ),
        )
        return answer

    def create_velero(self, cluster: str, plural: str, body: Json) -> Json:
        """Create an object of a Velero kind, fields held strictly to the schema.

        Raises:
            ConflictError: when the name is taken; after a lost answer that may be our own success.
            InvalidInputError: when the schema refuses it.
            UpstreamError: as for `list_velero`.
        """
        custom = self._custom(cluster)
        answer: Json = self._call(
            f"create {plural}/{body['metadata'].get('name')}",
            cluster,
            lambda timeout: custom.create_namespaced_custom_object(
                VELERO_GROUP,
                VELERO_VERSION,
                self.namespace,
                plural,
                body,
                field_validation="Strict",
                _request_timeout=timeout,
            ),
        )
        return answer

    def patch_velero(self, cluster: str, plural: str, name: str, patch: Json) -> Json:
        """Merge a patch into an object; Velero's kinds have no status subresource, so status too.

        Raises:
            NotFoundError: when there is none.
            InvalidInputError: when the schema refuses it.
            UpstreamError: as for `list_velero`.
        """
        custom = self._custom(cluster)
        answer: Json = self._call(
            f"patch {plural}/{name}",
            cluster,
            lambda timeout: custom.patch_namespaced_custom_object(
                VELERO_GROUP,
                VELERO_VERSION,
                self.namespace,
                plural,
                name,
                patch,
                field_validation="Strict",
                _request_timeout=timeout,
            ),
        )
        return answer

    def namespace_labels(self, cluster: str) -> dict[str, dict[str, str]]:
        """The labels of each namespace that is there, by its name.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        bodies = self._core_list(cluster, "namespaces", "list_namespace")
        return {
            body["metadata"]["name"]: dict(body["metadata"].get("labels") or {})
            for body in bodies
            if (body.get("status") or {}).get("phase") != "Terminating"
        }

    def claims_by_namespace(self, cluster: str) -> dict[str, int]:
        """How many PersistentVolumeClaims each namespace has; none are left out.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        what = "list_persistent_volume_claim_for_all_namespaces"
        counts: dict[str, int] = {}
        for body in self._core_list(cluster, "persistentvolumeclaims", what):
            home = body["metadata"]["namespace"]
            counts[home] = counts.get(home, 0) + 1
        return counts

    def warm(self, cluster: str) -> None:
        """Load the client of a cluster before it is needed in a hurry; nothing is contacted."""
        self._client(cluster)

    def namespace_exists(self, cluster: str, name: str) -> bool:
        """Whether a namespace is there.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        try:
            self._core_call(cluster, f"get namespaces/{name}", "read_namespace", name)
        except NotFoundError:
            return False
        return True

    def create_namespace(self, cluster: str, name: str, labels: Mapping[str, str]) -> Json:
        """Create a namespace.

        Raises:
            ConflictError: when it exists.
            UpstreamError: as for `list_velero`.
        """
        body = _core("Namespace", name, labels)
        return self._core_call(cluster, f"create namespaces/{name}", "create_namespace", body)

    def delete_namespace(self, cluster: str, name: str) -> None:
        """Delete a namespace; nothing happens when it is gone already.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        try:
            self._core_call(cluster, f"delete namespaces/{name}", "delete_namespace", name)
        except NotFoundError:
            return

    def read_config_map(self, cluster: str, namespace: str, name: str) -> Json:
        """One ConfigMap.

        Raises:
            NotFoundError: when there is none.
            UpstreamError: as for `list_velero`.
        """
        what = f"get configmaps/{name}"
        return self._core_call(cluster, what, "read_namespaced_config_map", name, namespace)

    def create_config_map(
        self,
        cluster: str,
        namespace: str,
        name: str,
        data: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> Json:
        """Create a ConfigMap.

        Raises:
            ConflictError: when it exists.
            NotFoundError: when the namespace does not.
            UpstreamError: as for `list_velero`.
        """
        body = {**_core("ConfigMap", name, labels), "data": dict(data)}
        what = f"create configmaps/{name}"
        return self._core_call(cluster, what, "create_namespaced_config_map", namespace, body)

    def delete_config_map(self, cluster: str, namespace: str, name: str) -> None:
        """Delete a ConfigMap; nothing happens when it is gone already.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        what = f"delete configmaps/{name}"
        try:
            self._core_call(cluster, what, "delete_namespaced_config_map", name, namespace)
        except NotFoundError:
            return

    def delete_velero(self, cluster: str, plural: str, name: str) -> None:
        """Delete an object of a Velero kind; nothing happens when it is gone already.

        Raises:
            UpstreamError: as for `list_velero`.
        """
        custom = self._custom(cluster)
        try:
            self._call(
                f"delete {plural}/{name}",
                cluster,
                lambda timeout: custom.delete_namespaced_custom_object(
                    VELERO_GROUP,
                    VELERO_VERSION,
                    self.namespace,
                    plural,
                    name,
                    _request_timeout=timeout,
                ),
            )
        except NotFoundError:
            return

    def read_path(self, cluster: str, path: str) -> Json:
        """What a path of the API answers: discovery, for one.

        Raises:
            NotFoundError: when nothing is served there.
            UpstreamError: as for `list_velero`.
        """
        return self._read_page(cluster, path, [])

    def list_path(self, cluster: str, path: str) -> list[Json]:
        """All objects of a collection, by pages; listed anew when a page has expired (410).

        Raises:
            NotFoundError: when the cluster does not serve it.
            UpstreamError: as for `list_velero`.
        """
        for _ in range(MOST_RELISTS):
            found: list[Json] = []
            token = ""
            try:
                for _ in range(MOST_PAGES):
                    more = [("continue", token)] if token else []
                    page = self._read_page(cluster, path, [("limit", str(PAGE)), *more])
                    found += page.get("items") or []
                    token = (page.get("metadata") or {}).get("continue") or ""
                    if not token:
                        return found
            except _PageExpiredError:
                continue
            raise UpstreamError(f"cluster {cluster!r} has more than {PAGE * MOST_PAGES} in {path}")
        raise UpstreamError(f"cluster {cluster!r}: lists of {path} expire before they end")

    def _read_page(self, cluster: str, path: str, query: list[tuple[str, str]]) -> Json:
        api = self._client(cluster)

        def read(timeout: tuple[float, float]) -> Any:
            return api.call_api(
                path,
                "GET",
                query_params=query,
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=timeout,
            )

        found: Json = self._call(f"get {path}", cluster, read)
        return found

    def _pages(self, cluster: str, plural: str, selector: str, version: str) -> Iterator[Json]:
        custom = self._custom(cluster)
        token = ""
        for _ in range(MOST_PAGES):
            options = {"label_selector": selector, "limit": PAGE, "_continue": token}
            options = {name: value for name, value in options.items() if value}

            def page(timeout: tuple[float, float], options: Json = options) -> Any:
                return custom.list_namespaced_custom_object(
                    VELERO_GROUP,
                    version,
                    self.namespace,
                    plural,
                    _request_timeout=timeout,
                    **options,
                )

            found = self._call(f"list {plural}", cluster, page)
            yield from found["items"]
            token = (found.get("metadata") or {}).get("continue") or ""
            if not token:
                return
        raise UpstreamError(f"cluster {cluster!r} has more than {PAGE * MOST_PAGES} {plural}")

    def _core_list(self, cluster: str, plural: str, method: str) -> list[Json]:
        for _ in range(MOST_RELISTS):
            try:
                return list(self._core_pages(cluster, plural, method))
            except _PageExpiredError:
                continue
        raise UpstreamError(f"cluster {cluster!r}: lists of {plural} expire before they end")

    def _core_pages(self, cluster: str, plural: str, method: str) -> Iterator[Json]:
        from kubernetes import client

        api = self._client(cluster)
        call = getattr(client.CoreV1Api(api), method)
        token = ""
        for _ in range(MOST_PAGES):
            options = {"limit": PAGE, **({"_continue": token} if token else {})}

            def page(timeout: tuple[float, float], options: Json = options) -> Any:
                return call(_request_timeout=timeout, **options)

            found = api.sanitize_for_serialization(self._call(f"list {plural}", cluster, page))
            yield from found.get("items") or []
            token = (found.get("metadata") or {}).get("continue") or ""
            if not token:
                return
        raise UpstreamError(f"cluster {cluster!r} has more than {PAGE * MOST_PAGES} {plural}")

    def _core_call(self, cluster: str, what: str, method: str, *arguments: object) -> Json:
        from kubernetes import client

        api = self._client(cluster)
        call = getattr(client.CoreV1Api(api), method)
        answer = self._call(
            what, cluster, lambda timeout: call(*arguments, _request_timeout=timeout)
        )
        plain: Json = api.sanitize_for_serialization(answer)
        return plain

    def _custom(self, cluster: str) -> Any:
        from kubernetes import client

        return client.CustomObjectsApi(self._client(cluster))

    def _client(self, cluster: str) -> Any:
        # Many threads of one evaluation ask at once; one of them makes the client.
        with self._lock:
            if cluster not in self._clients:
                self._clients[cluster] = self._new_client(cluster)
            return self._clients[cluster]

    def _new_client(self, cluster: str) -> Any:
        from kubernetes.config import new_client_from_config
        from kubernetes.config.config_exception import ConfigException

        if cluster not in self.clusters():
            raise ConfigurationError(
                f"cluster {cluster!r} is not a context of OCO_KUBECONFIG {self.kubeconfig}"
            )
        try:
            if cluster == self.in_cluster:
                api = _client_of_the_pod()
            else:
                api = new_client_from_config(str(self.kubeconfig), context=cluster)
        except (ConfigException, OSError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"cluster {cluster!r} cannot be used: {reason}") from None
        # The client's own retries know neither our deadline nor which calls may be repeated.
        api.configuration.retries = False
        api.rest_client.pool_manager.connection_pool_kw["retries"] = False
        return api

    def _call(self, what: str, cluster: str, call: Callable[[tuple[float, float]], Any]) -> Any:
        patience = self.patience
        end = time.monotonic() + patience.deadline
        pause = patience.first_pause
        while True:
            left = max(end - time.monotonic(), 0.1)
            timeout = (min(patience.connect, left), min(patience.read, left))
            try:
                return call(timeout)
            except Exception as error:
                failure = _translate(error, f"cluster {cluster!r}: {what}")
                if failure is None:
                    raise
                if not isinstance(failure, UpstreamThrottled | UpstreamUnavailable):
                    raise failure from None
                wished = failure.retry_after if isinstance(failure, UpstreamThrottled) else None
                # Jitter keeps many runs from coming back at the same moment.
                wait = wished if wished is not None else pause * random.uniform(0.5, 1.0)  # noqa: S311
                if time.monotonic() + wait >= end:
                    raise failure from None
                time.sleep(wait)
                pause = min(pause * 2, patience.longest_pause)


def _client_of_the_pod() -> Any:
    from kubernetes import client
    from kubernetes.config import load_incluster_config

    configuration = client.Configuration()
    load_incluster_config(client_configuration=configuration)
    return client.ApiClient(configuration)


def _core(kind: str, name: str, labels: Mapping[str, str]) -> Json:
    metadata = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


class _PageExpiredError(Exception):
    """The page asked for has been compacted away; list anew."""


def _translate(error: Exception, where: str) -> Exception | None:
    """Our error for one of the client or of its HTTP library; None for any other."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, HTTPError):
        return UpstreamUnavailable(f"{where}: no answer: {' '.join(str(error).split())[:300]}")
    if not isinstance(error, ApiException):
        return None
    status, reason = error.status, _reason(error)
    message = f"{where}: {status} {reason}"
    if status == 410:
        return _PageExpiredError(message)
    if status in _AGAIN:
        wait = _seconds((error.headers or {}).get("Retry-After"))
        if status == 429 or wait is not None:
            return UpstreamThrottled(message, wait)
        return UpstreamUnavailable(message)
    known = {404: NotFoundError, 409: ConflictError, 400: InvalidInputError, 422: InvalidInputError}
    return known.get(status, UpstreamError)(message)


def _reason(error: Any) -> str:
    """The message of the Status object, or the HTTP reason."""
    try:
        body = json.loads(error.body)
    except (TypeError, ValueError):
        body = None
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error.reason).split())[:300]


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(float(text), 0.0)
    except ValueError:
        return None
