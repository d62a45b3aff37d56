"""The embedded servers, through whole processes, as `oco` uses them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from oco_warehouse.embedded import attach, detach, is_locked
from oco_warehouse.errors import EmbeddedServerError
from oco_warehouse.settings import Settings, load_settings

pytestmark = pytest.mark.slow

HOLD = """
import os, sys, time
from oco_warehouse.embedded import attach
from oco_warehouse.settings import load_settings
print(attach(load_settings()).warehouse_url(), flush=True)
time.sleep(120)
"""


def settings_for(home: Path) -> Settings:
    return load_settings({"OCO_HOME": str(home), "OCO_EMBEDDED_FSYNC": "off"})


def holder(home: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that uses the servers until it is killed, and the address it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "OCO_HOME": str(home), "OCO_EMBEDDED_FSYNC": "off"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def processes_of(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in arguments:
            found.append(int(entry.name))
    return found


def guardians_of(home: Path) -> list[int]:
    return [
        pid
        for pid in processes_of(home)
        if b"oco_warehouse.embedded_guardian" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "a home with spaces"
    yield home
    detach(settings_for(home))
    for pid in processes_of(home):
        os.kill(pid, signal.SIGKILL)


def test_servers_stop_when_their_last_user_lets_go(home: Path) -> None:
    attached = attach(settings_for(home))
    with psycopg.connect(attached.warehouse_url()) as connection:
        version = connection.info.server_version
    detach(settings_for(home))
    assert version >= 160000
    assert processes_of(home) == []


def test_servers_survive_one_user_and_stop_when_the_other_is_killed(home: Path) -> None:
    first, address = holder(home)
    second, same_address = holder(home)
    assert address == same_address
    kill(first)
    time.sleep(1)
    with psycopg.connect(address):
        pass
    kill(second)
    assert eventually(lambda: processes_of(home) == [])


def test_a_killed_guardian_takes_its_servers_along(home: Path) -> None:
    user, _ = holder(home)
    (guardian,) = guardians_of(home)
    os.kill(guardian, signal.SIGKILL)
    assert eventually(lambda: processes_of(home) == [])
    kill(user)


def test_a_guardian_that_is_dying_is_not_joined(home: Path) -> None:
    user, _ = holder(home)
    (guardian,) = guardians_of(home)
    os.kill(guardian, signal.SIGSTOP)
    for pid in set(processes_of(home)) - {guardian}:
        os.kill(pid, signal.SIGKILL)
    threading.Timer(0.5, os.kill, (guardian, signal.SIGKILL)).start()
    with psycopg.connect(attach(settings_for(home)).warehouse_url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    kill(user)


def test_data_and_address_survive_the_killing_of_everything(home: Path) -> None:
    user, address = holder(home)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for pid in processes_of(home):
        os.kill(pid, signal.SIGKILL)
    kill(user)
    # A killed process on a busy machine still listens until it is next scheduled.
    assert eventually(lambda: processes_of(home) == [])
    attached = attach(settings_for(home))
    assert attached.warehouse_url() == address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_both_databases_are_made_and_the_servers_take_no_one_without_the_password(
    home: Path,
) -> None:
    attached = attach(settings_for(home))
    for url in (attached.warehouse_url(), attached.dagster_url()):
        psycopg.connect(url).close()
    password = attached.warehouse_url().split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(attached.warehouse_url().replace(password, "wrong"))


def test_secrets_and_addresses_are_closed_to_other_users(home: Path) -> None:
    attach(settings_for(home))
    run = home / "run"
    assert home.stat().st_mode & 0o777 == 0o700
    for name in ("servers.json", "postgres.password", "redis.password", "redis.conf"):
        assert (run / name).stat().st_mode & 0o077 == 0, name


def test_a_very_long_home_works(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120) / ("y" * 60)
    settings = settings_for(home)
    psycopg.connect(attach(settings).warehouse_url()).close()
    detach(settings)
    assert not is_locked(home / "run" / "guardian.lock")


def test_a_home_below_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="cannot be written") as caught:
        attach(settings_for(tmp_path / "file" / "home"))
    assert "\n" not in str(caught.value)


def test_a_foreign_folder_is_never_taken_for_a_data_directory(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "thesis.txt").write_text("mine")
    with pytest.raises(EmbeddedServerError, match="no PostgreSQL data"):
        attach(settings_for(home))
    assert (home / "postgres" / "thesis.txt").read_text() == "mine"
    assert eventually(lambda: processes_of(home) == [])


def test_an_interrupted_first_start_is_done_again(home: Path) -> None:
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("16")
    psycopg.connect(attach(settings_for(home)).warehouse_url()).close()


def test_a_port_that_was_taken_meanwhile_is_replaced(home: Path) -> None:
    first = attach(settings_for(home)).warehouse_url()
    port = int(first.rsplit(":", 1)[1].split("/")[0])
    detach(settings_for(home))
    with socket.create_server(("127.0.0.1", port)):
        second = attach(settings_for(home)).warehouse_url()
        assert second != first
        psycopg.connect(second).close()
    state = json.loads((home / "run" / "servers.json").read_text())
    assert state["database_url"] == second


def test_a_guardian_that_cannot_start_is_told_at_once(home: Path, tmp_path: Path) -> None:
    (tmp_path / "redis.py").write_text("raise ImportError('no redis here')")
    # Only the guardian, which starts later, imports it from there.
    spoil = (
        f"import os\nimport oco_warehouse.embedded\nos.environ['PYTHONPATH'] = {str(tmp_path)!r}"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", f"{spoil}\n{HOLD}"],
        env={**os.environ, "OCO_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "the guardian of the embedded servers ended: ImportError: no redis here" in done.stderr
    assert time.monotonic() - began < 20
