"""What we ask of Kubernetes and of Velero in it. Hands out and takes plain dicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oco_pipelines.kubernetes_lists import PAGE_SIZE, Json, whole_list
from oco_pipelines.resilience.kubernetes_calls import KubernetesCalls, Patience
from oco_warehouse.errors import NotFoundError

VELERO_GROUP: Final = "velero.io"
VELERO_VERSION: Final = "v1"
BACKUPS: Final = "backups"
RESTORES: Final = "restores"
LOCATIONS: Final = "backupstoragelocations"
# (kind, version) of what tells how much volume data was moved, where a cluster's Velero does so.
MOVED: Final = (("datauploads", "v2alpha1"), ("podvolumebackups", VELERO_VERSION))


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
    _calls: KubernetesCalls = field(init=False)

    def __post_init__(self) -> None:
        self._calls = KubernetesCalls(self.kubeconfig, self.in_cluster, self.patience)

    def clusters(self) -> list[str]:
        """Names of the contexts, and of the cluster that we run in.

        Raises:
            ConfigurationError: when the file cannot be read as a kubeconfig.
        """
        return self._calls.clusters()

    def list_velero(
        self, cluster: str, plural: str, selector: str = "", version: str = VELERO_VERSION
    ) -> list[Json]:
        """All objects of a Velero kind, by pages; listed anew when a page has expired (410).

        Raises:
            UpstreamError: when the cluster refuses, throttles or does not answer.
        """
        custom = self._custom(cluster)
        selected = {"label_selector": selector} if selector else {}

        def read_page(token: str) -> Json:
            found: Json = self._calls.call(
                f"list {plural}",
                cluster,
                lambda timeout: custom.list_namespaced_custom_object(
                    VELERO_GROUP,
                    version,
                    self.namespace,
                    plural,
                    limit=PAGE_SIZE,
                    _request_timeout=timeout,
                    **selected,
                    **_after(token),
                ),
            )
            return found

        return whole_list(f"cluster {cluster!r}: {plural}", read_page)

    def get_velero(self, cluster: str, plural: str, name: str) -> Json:
        """One object of a Velero kind.

        Raises:
            NotFoundError: when there is none.
            UpstreamError: as for `list_velero`.
        """
        custom = self._custom(cluster)
        answer: Json = self._calls.call(
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
        answer: Json = self._calls.call(
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
        answer: Json = self._calls.call(
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
        self._calls.client(cluster)

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
            self._calls.call(
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

        def read_page(token: str) -> Json:
            more = [("continue", token)] if token else []
            return self._read_page(cluster, path, [("limit", str(PAGE_SIZE)), *more])

        return whole_list(f"cluster {cluster!r}: {path}", read_page)

    def _read_page(self, cluster: str, path: str, query: list[tuple[str, str]]) -> Json:
        api = self._calls.client(cluster)

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

        found: Json = self._calls.call(f"get {path}", cluster, read)
        return found

    def _core_list(self, cluster: str, plural: str, method: str) -> list[Json]:
        from kubernetes import client

        api = self._calls.client(cluster)
        call = getattr(client.CoreV1Api(api), method)

        def read_page(token: str) -> Json:
            answer = self._calls.call(
                f"list {plural}",
                cluster,
                lambda timeout: call(limit=PAGE_SIZE, _request_timeout=timeout, **_after(token)),
            )
            plain: Json = api.sanitize_for_serialization(answer)
            return plain

        return whole_list(f"cluster {cluster!r}: {plural}", read_page)

    def _core_call(self, cluster: str, what: str, method: str, *arguments: object) -> Json:
        from kubernetes import client

        api = self._calls.client(cluster)
        call = getattr(client.CoreV1Api(api), method)
        answer = self._calls.call(
            what, cluster, lambda timeout: call(*arguments, _request_timeout=timeout)
        )
        plain: Json = api.sanitize_for_serialization(answer)
        return plain

    def _custom(self, cluster: str) -> Any:
        from kubernetes import client

        return client.CustomObjectsApi(self._calls.client(cluster))


def _after(token: str) -> dict[str, str]:
    return {"_continue": token} if token else {}


def _core(kind: str, name: str, labels: Mapping[str, str]) -> Json:
    metadata = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
