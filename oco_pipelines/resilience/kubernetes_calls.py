"""How a cluster is reached: its client, what bounds a call, and errors of our own for Kubernetes'.

Every call has a timeout and tries again on throttling and outages with a total deadline. Imports
the client when it is used.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oco_pipelines.kubernetes_lists import PageExpiredError
from oco_warehouse.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

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
class KubernetesCalls:
    """The clusters of one kubeconfig, each named by its context.

    Args:
        kubeconfig: the file; None when only the cluster that we run in is known.
        in_cluster: name of the cluster that we run in, reached with the pod's service account.
        patience: timeouts and the deadline of retries.
    """

    kubeconfig: Path | None
    in_cluster: str | None
    patience: Patience
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

    def client(self, cluster: str) -> Any:
        """The API client of a cluster, made once; nothing is contacted.

        Raises:
            ConfigurationError: when the kubeconfig does not know it or cannot be used.
        """
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

    def call(self, what: str, cluster: str, call: Callable[[tuple[float, float]], Any]) -> Any:
        """What a call answers that is given its timeouts (connect, read), in seconds.

        Raises:
            NotFoundError, ConflictError, InvalidInputError: for 404, 409, and 400 or 422.
            PageExpiredError: for 410.
            UpstreamError: when the cluster refuses, throttles or does not answer in time.
        """
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
        return PageExpiredError(message)
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
