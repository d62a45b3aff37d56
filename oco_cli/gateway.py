"""`oco proxy`: the gateway alone, as a container runs it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from oco_cli.environment import process_environment
from oco_cli.processes import Processes, answers
from oco_warehouse import migrations
from oco_warehouse.embedded import attach
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.settings import Settings, load_settings

_READY_SECONDS: Final = 60.0


def proxy(
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port and the budgets.")
    ] = 1,
) -> None:
    """Run the gateway alone, until a signal."""
    from oco_proxy.__main__ import serve
    from oco_proxy.serving import listen

    settings = attach(load_settings())
    migrations.upgrade(settings.warehouse_url())
    os.environ.update(process_environment(settings))
    listener = listen(settings.host, settings.port)
    typer.echo(f"Gateway on http://{settings.host}:{settings.port}", err=True)
    sys.exit(serve(settings, listener, workers))


@contextmanager
def gateway_process(settings: Settings, provider: str) -> Iterator[str]:
    """A gateway process of our own on a free loopback port; yields its address.

    It is stopped at the end, which moves its records to PostgreSQL.

    Args:
        settings: with every address filled in; the warehouse is migrated.
        provider: address that it forwards calls of OpenAI to.

    Raises:
        ProcessEndedError: when it does not start.
    """
    port = free_port(0)
    environment = {
        **os.environ,
        **process_environment(settings),
        "CEREBRA_PORT": str(port),
        "OCO_HOST": "127.0.0.1",
        "OCO_OPENAI_BASE_URL": provider,
        "OCO_SPOOL_DIR": str(settings.spool.expanduser().absolute()),
    }
    logs = settings.home.expanduser().absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    processes = Processes(logs, environment)
    processes.start("gateway-on-demand", [sys.executable, "-m", "oco_proxy"])
    address = f"http://127.0.0.1:{port}"
    try:
        processes.wait_for("the gateway", lambda: answers(f"{address}/readyz"), _READY_SECONDS)
        yield address
    finally:
        processes.stop()
