"""`python -m oco_proxy [--workers N]`: the gateway, as `oco up` and containers start it."""

import argparse
import sys
from collections.abc import Sequence

from oco_proxy.serving import calm_collector, listen, make_server, run_workers
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; then finish calls under way and drain the ledger.

    Args:
        arguments: of the command line; that of the process by default.

    Returns:
        0 after a clean stop; not 0, with one line on stderr, when it could not start.
    """
    parser = argparse.ArgumentParser(prog="python -m oco_proxy", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        listener = listen(settings.host, settings.port)
        if options.workers > 1:
            with listener:
                return 0 if run_workers(settings, listener, options.workers) else 2
        server = make_server(settings)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 2
    calm_collector()
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 2


if __name__ == "__main__":
    sys.exit(main())
