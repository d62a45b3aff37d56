"""`python -m oco_proxy [--workers N]`: the gateway, as `oco up` and containers start it."""

import argparse
import socket
import sys
from collections.abc import Sequence
from typing import Final

from oco_proxy.serving import calm_collector, listen, make_server, run_workers
from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError
from oco_warehouse.settings import Settings, load_settings

MAX_WORKERS: Final = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve with the settings of the environment.

    Args:
        arguments: of the command line; that of the process by default.

    Returns:
        As `serve` does; not 0, with one line on stderr, when a value is wrong, too.
    """
    parser = argparse.ArgumentParser(prog="python -m oco_proxy", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    options = parser.parse_args(arguments)
    try:
        if not 1 <= options.workers <= MAX_WORKERS:
            raise ConfigurationError(f"--workers must be a number from 1 to {MAX_WORKERS}")
        settings = load_settings()
        return serve(settings, listen(settings.host, settings.port), options.workers)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 2


def serve(settings: Settings, listener: socket.socket, workers: int) -> int:
    """Serve until a signal; then finish calls under way and drain the ledger.

    Args:
        settings: those of the environment, where workers find them.
        listener: closed at the end.
        workers: processes.

    Returns:
        0 after a clean stop; not 0, with one line on stderr, when it could not start.
    """
    with listener:
        if workers > 1:
            return 0 if run_workers(settings, listener, workers) else 2
        server = make_server(settings)
        calm_collector()
        server.run(sockets=[listener])
        return 0 if server.started else 2


if __name__ == "__main__":
    sys.exit(main())
