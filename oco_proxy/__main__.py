"""`python -m oco_proxy`: one gateway process, as `oco up` and containers start it."""

import errno
import socket
import sys

import uvicorn

from oco_proxy.app import create_app
from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError, PortOccupiedError
from oco_warehouse.settings import Settings, load_settings

_BACKLOG = 4096


def main() -> int:
    """Serve until a signal; then finish calls under way and drain the ledger.

    Returns:
        0 after a clean stop; 2 with one line on stderr when it could not start.
    """
    try:
        settings = load_settings()
        listener = listen(settings)
        app = create_app(settings)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 2
    config = uvicorn.Config(
        app,
        http="httptools",
        # Providers' own Date and Server headers pass through; a second one would change the answer.
        date_header=False,
        server_header=False,
        access_log=False,
        # uvicorn would add tracebacks to what the application says in one line.
        log_level="critical",
        timeout_graceful_shutdown=int(settings.drain_timeout_seconds) + 1,
    )
    server = uvicorn.Server(config)
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 2


def listen(settings: Settings) -> socket.socket:
    """A listening socket on the configured address.

    Raises:
        PortOccupiedError: when another process listens there.
        ConfigurationError: when the address cannot be listened on at all.
    """
    address = (settings.host, settings.port)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise PortOccupiedError(
                f"another process listens on {where}; stop it or set CEREBRA_PORT"
            ) from None
        raise ConfigurationError(
            f"OCO_HOST, CEREBRA_PORT: {where} cannot be listened on ({error.strerror})"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
