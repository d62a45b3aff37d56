"""`python -m oco_proxy`: one gateway process, as `oco up` and containers start it."""

import sys

from oco_proxy.serving import listen, make_server
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import load_settings


def main() -> int:
    """Serve until a signal; then finish calls under way and drain the ledger.

    Returns:
        0 after a clean stop; not 0, with one line on stderr, when it could not start.
    """
    try:
        settings = load_settings()
        listener = listen(settings.host, settings.port)
        server = make_server(settings)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 2
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 2


if __name__ == "__main__":
    sys.exit(main())
