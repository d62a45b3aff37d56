"""`python -m oco_proxy`: one gateway process, as `oco up` and containers start it."""

import sys

import uvicorn

from oco_proxy.app import create_app
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import load_settings


def main() -> int:
    """Serve until a signal; then finish calls under way and drain the ledger."""
    try:
        settings = load_settings()
        app = create_app(settings)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 2
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",
        http="httptools",
        # Providers' own Date and Server headers pass through; a second one would change the answer.
        date_header=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=int(settings.drain_timeout_seconds) + 1,
        backlog=4096,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
