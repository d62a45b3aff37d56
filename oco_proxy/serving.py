"""How the application is served: one uvicorn configuration, for a process or for a thread."""

import errno
import gc
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from oco_proxy.app import Front, create_front
from oco_proxy.connection import ClientConnection, ConnectionConfig
from oco_proxy.middleware.metrics import SHARED_FOLDER
from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError, PortOccupiedError
from oco_warehouse.settings import Settings

BACKLOG: Final = 4096
START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 45.0


def make_server(settings: Settings) -> uvicorn.Server:
    """A server of the gateway that is not yet running."""
    return _Server(_config(create_front(settings), settings))


def create_worker() -> Front:
    """The application of one process among several; its settings come from the environment."""
    calm_collector()
    return create_front()


def calm_collector() -> None:
    """Keep the cyclic garbage collector off what lives as long as the process, and rarely run it.

    A call's objects are freed without it; walking all modules over and over costs each call 4 %.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def run_workers(settings: Settings, listener: socket.socket, workers: int) -> bool:
    """Serve from several processes until a signal; one that dies is started again.

    Each is a gateway of its own, with its own spool; they share budgets as gateways on different
    machines do. The settings reach them through the environment.

    Returns:
        False when a worker could not start, which ends all of them; its stderr says why.
    """
    folder = settings.home.expanduser() / "run" / f"metrics-{os.getpid()}"
    folder.mkdir(parents=True)
    os.environ[SHARED_FOLDER] = str(folder)
    try:
        config = _config("oco_proxy.serving:create_worker", settings, workers=workers)
        supervisor = _Workers(config, sockets=[listener])
        supervisor.run()
        return STARTUP_FAILURE not in {worker.exitcode for worker in supervisor.processes}
    finally:
        del os.environ[SHARED_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


class _Server(uvicorn.Server):
    """Ends normally after a signal that it obeyed; uvicorn would let it kill the process then."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the server while the block runs."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


class _Workers(Multiprocess):
    """Also takes a dead worker's gauges out of what its successors tell Prometheus."""

    def terminate_all(self) -> None:
        """Stop all workers; each of them stops to listen at once."""
        # As long as one process listens, new clients would wait for an answer that nobody gives.
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died."""
        before = {worker.pid for worker in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {worker.pid for worker in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types here


def _config(app: Any, settings: Settings, workers: int = 1) -> uvicorn.Config:
    return ConnectionConfig(
        app,
        factory=isinstance(app, str),
        workers=workers,
        http=ClientConnection,
        client_timeout_seconds=settings.client_timeout_seconds,
        # Providers' own Date and Server headers pass; a second one would change the answer.
        date_header=False,
        server_header=False,
        access_log=False,
        # Nothing here asks where a call came from.
        proxy_headers=False,
        # uvicorn would add tracebacks to what the application says in one line.
        log_level="critical",
        timeout_graceful_shutdown=int(settings.drain_timeout_seconds) + 1,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        PortOccupiedError: when another process listens there.
        ConfigurationError: when the address cannot be listened on at all.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortOccupiedError(
                f"another process listens on {host}:{port}; stop it or set CEREBRA_PORT"
            ) from None
        raise ConfigurationError(
            f"OCO_HOST, CEREBRA_PORT: {host}:{port} cannot be listened on ({error.strerror})"
        ) from None


@contextmanager
def run_gateway(settings: Settings, port: int = 0) -> Iterator[str]:
    """Serve the gateway on loopback from a thread until the block ends; yields its address.

    Args:
        settings: with the addresses of PostgreSQL and Redis resolved.
        port: 0 takes a free one.

    Raises:
        OpenCloudOpsError: when it does not start; the reason is on stderr in one line.
    """
    with listen("127.0.0.1", port) as listener:
        server = make_server(settings)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="gateway", daemon=True
        )
        thread.start()
        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            if not server.started:
                raise OpenCloudOpsError("the gateway did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # Ends calls under way and drains the ledger before it returns.
            server.should_exit = True
            thread.join(timeout=_STOP_SECONDS)
