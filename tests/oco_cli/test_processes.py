import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oco_cli.processes import ProcessEndedError, Processes
from oco_cli.up import check_ports
from oco_warehouse.errors import ConfigurationError, PortOccupiedError
from oco_warehouse.settings import load_settings

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
FAMILY = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {STUBBORN!r}]).pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path, os.environ)


def test_a_stubborn_grandchild_is_gone_after_stop(processes: Processes) -> None:
    child = processes.start("family", [sys.executable, "-c", FAMILY], pipe=True)
    assert child.process.stdout is not None
    grandchild = int(child.process.stdout.readline())
    time.sleep(0.3)
    processes.stop()
    child.process.stdout.close()
    assert not is_alive(child.process.pid)
    assert not is_alive(grandchild)


def test_a_child_that_ends_is_named_with_its_last_words(processes: Processes) -> None:
    processes.start("teller", [sys.executable, "-c", "raise SystemExit('no money left')"])
    with pytest.raises(ProcessEndedError, match=r"teller ended by itself.*no money left"):
        processes.wait_for("something", lambda: False, 30)


def test_a_service_that_never_answers_is_given_up(processes: Processes) -> None:
    with pytest.raises(ProcessEndedError, match="did not answer within 0 s"):
        processes.wait_for("the gateway", lambda: False, 0.2)


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\nfrom pathlib import Path\nfrom oco_cli.processes import Processes\n"
        f"child = Processes(Path({str(tmp_path)!r}), os.environ)"
        ".start('sleeper', [sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "time.sleep(0.5)\nprint(child.process.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def test_an_occupied_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortOccupiedError, match=f"port {port} .*CEREBRA_PORT"):
            check_ports(load_settings({"CEREBRA_PORT": str(port)}))


def test_two_services_on_one_port_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="CEREBRA_PORT and OCO_DAGSTER_PORT"):
        check_ports(load_settings({"CEREBRA_PORT": "4000", "OCO_DAGSTER_PORT": "4000"}))
