"""`oco up`: the whole platform in the foreground, from nothing to a summary."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console
from rich.panel import Panel

from oco_cli.bootstrap import bootstrap_once, is_built
from oco_cli.connect import connect
from oco_cli.environment import process_environment
from oco_cli.processes import Processes, answers
from oco_cli.spend import spend_table
from oco_cli.token import create_token
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import detach
from oco_warehouse.embedded_guardian import free_port
from oco_warehouse.errors import ConfigurationError, PortOccupiedError
from oco_warehouse.settings import Settings, load_settings

ROOT: Final = Path(__file__).resolve().parent.parent
_READY_SECONDS: Final = 120.0
_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived."""


def up() -> None:
    """Start the whole platform; Ctrl-C stops it.

    Migrates, loads the shipped sample where no cloud is configured, builds the marts, and runs the
    gateway and Dagster until a signal.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    settings = load_settings()
    check_ports(settings)
    with _signals():
        try:
            _run(console, settings, began)
        except _Interrupted:
            console.print("Stopping …")
        finally:
            _ignore_signals()
            detach(settings)
    console.print("Stopped.")


def _run(console: Console, settings: Settings, began: float) -> None:
    with console.status("Starting") as status:

        def say(message: str) -> None:
            status.update(message)
            if not console.is_terminal:
                console.print(message)

        say("Preparing the warehouse")
        settings, warehouse = connect(say)
        dagster_home(settings)
    _refresh_accounts(settings, warehouse)
    home = settings.home.expanduser().absolute()
    processes = Processes(home / "logs", {**os.environ, **process_environment(settings)})
    try:
        failures = bootstrap_once(console, processes, warehouse, home)
        with console.status("Starting the gateway and Dagster"):
            _start_services(settings, processes)
        token = first_token(warehouse)
        console.print(_summary(settings, warehouse, token, time.monotonic() - began))
        for failure in failures:
            console.print(f"failed: {failure}", style="red", markup=False)
        if failures:
            console.print(
                f"What failed is tried again at the next start; see {home / 'logs'}/bootstrap.log",
                style="red",
                soft_wrap=True,
            )
        while True:
            time.sleep(0.5)
            processes.check()
    finally:
        _ignore_signals()
        processes.stop()


def check_ports(settings: Settings) -> None:
    """Refuse to start where another program listens.

    Raises:
        PortOccupiedError: one line with the port and the variable that moves it.
        ConfigurationError: when two services were given the same port.
    """
    wanted = {"CEREBRA_PORT": settings.port, "OCO_DAGSTER_PORT": settings.dagster_port}
    if len(set(wanted.values())) < len(wanted):
        raise ConfigurationError(
            f"CEREBRA_PORT and OCO_DAGSTER_PORT are both {settings.port}: give each its own port"
        )
    for variable, port in wanted.items():
        if not free_port(port, settings.host):
            raise PortOccupiedError(
                f"port {port} is occupied by another program: end it, or set {variable} to a free "
                "port"
            )


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME with the repository's dagster.yaml and its storage in it."""
    folder = settings.home.expanduser().absolute() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [ROOT / "dagster.yaml", ROOT / "deploy" / "dagster-storage.yaml"]
    content = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    (folder / "dagster.yaml").write_text(content, encoding="utf-8")
    return folder


def first_token(warehouse: Warehouse) -> str | None:
    """An admin token where there is none at all; it is shown once and stored nowhere."""
    if warehouse.query("SELECT 1 FROM oco.api_tokens LIMIT 1"):
        return None
    return create_token(warehouse, name="first token", role="admin")


def _refresh_accounts(settings: Settings, warehouse: Warehouse) -> None:
    from oco_pipelines.ingestion.accounts import refresh

    refresh(settings, warehouse)


def _start_services(settings: Settings, processes: Processes) -> None:
    from oco_pipelines.marts.project import ensure_manifest

    ensure_manifest()
    python = sys.executable
    code_port = free_port(0)
    code = ("--grpc-host", "127.0.0.1", "--grpc-port", str(code_port))
    processes.start("gateway", [python, "-m", "oco_proxy"])
    processes.start(
        "dagster-code",
        [
            *(python, "-m", "oco_pipelines.code_server"),
            *("--host", "127.0.0.1", "--port", str(code_port)),
        ],
    )
    processes.start(
        "dagster-webserver",
        [
            *(python, "-m", "dagster_webserver", *code),
            *("--host", settings.host, "--port", str(settings.dagster_port)),
        ],
    )
    gateway = f"http://{_reachable(settings)}:{settings.port}/readyz"
    dagster = f"http://{_reachable(settings)}:{settings.dagster_port}/server_info"
    processes.wait_for("the gateway", lambda: answers(gateway), _READY_SECONDS)
    processes.wait_for("the Dagster UI", lambda: answers(dagster), _READY_SECONDS)
    # The daemon loads the code location itself; it comes last so that the UI is up soonest.
    processes.start("dagster-daemon", [python, "-m", "dagster._daemon", "run", *code])


def _reachable(settings: Settings) -> str:
    return "127.0.0.1" if settings.host in {"0.0.0.0", "127.0.0.1"} else settings.host  # noqa: S104


def _summary(settings: Settings, warehouse: Warehouse, token: str | None, seconds: float) -> Panel:
    from rich.console import Group
    from rich.text import Text

    gateway = f"http://localhost:{settings.port}"
    lines = [
        f"Gateway      {gateway}/api/v1/proxy/openai/v1",
        f"API          {gateway}/docs",
        f"Dagster      http://localhost:{settings.dagster_port}",
        'Warehouse    oco sql "…", or its address from `oco url`',
        f"Data, logs   {settings.home.expanduser().absolute()}",
        "First token  "
        + (f"{token}  (shown once)" if token else "shown at the first start; `oco token create`"),
        "",
        "What was spent:",
    ]
    spent = spend_table(warehouse) if is_built(warehouse) else "unknown: the marts are not built"
    return Panel(
        Group(Text("\n".join(lines)), spent, Text("\nCtrl-C stops everything.")),
        title=f"Open Cloud Ops is up ({seconds:.0f} s)",
        expand=False,
    )


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first signal into an orderly end; later ones must not cut that short."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise _Interrupted

    before = {number: signal.signal(number, interrupt) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """From here on nothing may cut the stopping short."""
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
