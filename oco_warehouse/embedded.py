"""A PostgreSQL and a Redis of our own under $OCO_HOME, when no address is given.

Every process that uses them holds a shared lock on `run/users.lock` while it lives. One guardian
(`embedded_guardian.py`) per $OCO_HOME starts both servers and stops them once nobody holds that
lock any more: after a clean end, a Ctrl-C and a kill -9 alike. Both listen on loopback with a
password of their own, so that every driver and BI tool reaches them as it would any server.

Does not belong here: what the servers hold (see `migrations`).
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql

from oco_warehouse.database import CONNECT_TIMEOUT_SECONDS, lock_key, unreachable_message
from oco_warehouse.errors import EmbeddedServerError, WarehouseUnreachable
from oco_warehouse.settings import Settings

START_TIMEOUT_SECONDS: Final = 90.0
STOP_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05

Progress = Callable[[str], None]


class Attachment:
    """This process's hold on the embedded servers of one $OCO_HOME.

    Attributes:
        addresses: `database_url` and `redis_url` of the running servers.
    """

    _guardian: subprocess.Popen[bytes] | None = None

    def __init__(self, home: Path, *, fsync: bool, progress: Progress) -> None:
        self.home = home
        run = prepare_home(home)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        # Taken first: from here on a running guardian stays. One that is just stopping holds this
        # lock exclusively until its servers are gone, so we wait for a clean slate.
        self._hold = _take_lock(run / "users.lock", fcntl.LOCK_SH, deadline)
        start = _take_lock(run / "start.lock", fcntl.LOCK_EX, deadline)
        try:
            self.addresses = self._join_or_start(deadline, fsync=fsync, progress=progress)
        except BaseException:
            os.close(self._hold)
            if self._guardian is not None:
                self._guardian.wait(STOP_TIMEOUT_SECONDS)
            raise
        finally:
            os.close(start)

    def release(self) -> None:
        """Let go; when nobody else holds on, wait until the servers have stopped.

        Raises:
            EmbeddedServerError: when they do not stop in time.
        """
        os.close(self._hold)
        run = self.home / "run"
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while is_locked(run / "guardian.lock") and not has_users(run):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded servers under {self.home} did not stop within "
                    f"{STOP_TIMEOUT_SECONDS:.0f} s; see {self.home / 'logs' / 'guardian.log'}"
                )
            time.sleep(_POLL_SECONDS)
        if self._guardian is not None and not has_users(run):
            self._guardian.wait(STOP_TIMEOUT_SECONDS)

    def _join_or_start(self, deadline: float, *, fsync: bool, progress: Progress) -> dict[str, str]:
        run = self.home / "run"
        while True:
            if not is_locked(run / "guardian.lock"):
                progress("Starting the embedded PostgreSQL and Redis")
                (run / "servers.json").unlink(missing_ok=True)
                # Kept so that a guardian which ends before us leaves no zombie.
                self._guardian = _spawn_guardian(self.home, fsync=fsync)
            addresses = self._wait_until_ready(deadline)
            # One that is being killed, or whose server died, still has its lock for a moment.
            if _answer(addresses):
                return addresses
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded servers of {self.home} do not answer and their guardian does "
                    "not end: find `oco_warehouse.embedded_guardian` with `pgrep -f` and kill it"
                )
            time.sleep(_POLL_SECONDS)

    def _wait_until_ready(self, deadline: float) -> dict[str, str]:
        state, log = self.home / "run" / "servers.json", self.home / "logs" / "guardian.log"
        while time.monotonic() < deadline:
            # 0 is a guardian that found another one at work, whose servers we then wait for.
            ended = self._guardian is not None and self._guardian.poll() not in {None, 0}
            if state.exists():
                addresses: dict[str, str] = json.loads(state.read_text())
                if "error" in addresses:
                    raise EmbeddedServerError(addresses["error"])
                return addresses
            if ended:
                lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                raise EmbeddedServerError(
                    f"the guardian of the embedded servers ended: {lines[-1]}; see {log}"
                )
            time.sleep(_POLL_SECONDS)
        raise EmbeddedServerError(
            f"the embedded servers did not start within {START_TIMEOUT_SECONDS:.0f} s; see {log}"
        )


# One hold per $OCO_HOME and process; the operating system ends it with the process.
_attachments: Final[dict[Path, Attachment]] = {}


def attach(settings: Settings, progress: Progress | None = None) -> Settings:
    """Fill in the addresses that nothing names, with embedded servers that live as long as we do.

    Also creates Dagster's database where it is missing. A second call joins the first.

    Raises:
        EmbeddedServerError: when $OCO_HOME cannot be used or a server does not start.
        WarehouseUnreachable: when PostgreSQL does not answer.
    """
    if settings.uses_embedded_postgres or settings.uses_embedded_redis:
        home = _home(settings)
        if home not in _attachments:
            _attachments[home] = Attachment(
                home, fsync=settings.embedded_fsync == "on", progress=progress or (lambda _: None)
            )
        update = dict(_attachments[home].addresses)
        if not settings.uses_embedded_postgres:
            del update["database_url"]
        if not settings.uses_embedded_redis:
            del update["redis_url"]
        settings = settings.model_copy(update=update)
    create_databases(settings)
    return settings


def detach(settings: Settings) -> None:
    """Undo `attach`: let go, and wait until the servers stopped if nobody else uses them."""
    attachment = _attachments.pop(_home(settings), None)
    if attachment is not None:
        attachment.release()


@contextmanager
def embedded_servers(settings: Settings) -> Iterator[Settings]:
    """`attach` for the length of a block."""
    try:
        yield attach(settings)
    finally:
        detach(settings)


def create_databases(settings: Settings) -> None:
    """Create the warehouse's and Dagster's database where they are missing.

    Raises:
        WarehouseUnreachable: when the server does not answer or the role may not create one.
    """
    url = settings.warehouse_url()
    warehouse = urlsplit(url).path.strip("/")
    names = {warehouse, settings.dagster_database}
    # The role of an embedded server owns all of it; elsewhere the named database must be there.
    embedded = any(url == held.addresses["database_url"] for held in _attachments.values())
    door = urlsplit(url)._replace(path="/postgres").geturl() if embedded else url
    try:
        with psycopg.connect(
            door, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS
        ) as connection:
            key = lock_key("create_databases")
            connection.execute("SELECT pg_advisory_lock(%s)", [key])
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE datname = ANY(%s)", [list(names)]
            ).fetchall()
            for name in sorted(names - {row[0] for row in rows}):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise WarehouseUnreachable(
            f"the database {settings.dagster_database!r} is missing and this role may not create "
            f'it: run CREATE DATABASE "{settings.dagster_database}" as an administrator'
        ) from None
    except psycopg.OperationalError as error:
        raise WarehouseUnreachable(unreachable_message(url, error)) from None


def prepare_home(home: Path) -> Path:
    """Make $OCO_HOME and its folders, closed to other users; the folder of locks and addresses.

    Raises:
        EmbeddedServerError: when they cannot be made or written.
    """
    run = home / "run"
    try:
        for folder in (home, run, home / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = run / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EmbeddedServerError(
            f"OCO_HOME {home} cannot be written ({error.strerror}): "
            "set OCO_HOME to a folder that this user may write"
        ) from None
    return run


def is_locked(path: Path) -> bool:
    """Whether another holder has the lock exclusively."""
    return not _can_lock(path, fcntl.LOCK_SH)


def has_users(run: Path) -> bool:
    """Whether any process holds on to the servers (the guardian's own exclusive lock is none)."""
    return not _can_lock(run / "users.lock", fcntl.LOCK_EX) and _can_lock(
        run / "users.lock", fcntl.LOCK_SH
    )


def _can_lock(path: Path, kind: int) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _answer(addresses: dict[str, str]) -> bool:
    """Whether both servers speak: one that was killed still listens until it is next scheduled."""
    door = urlsplit(addresses["database_url"])._replace(path="/postgres").geturl()
    try:
        psycopg.connect(door, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
        with redis.Redis.from_url(
            addresses["redis_url"], socket_timeout=CONNECT_TIMEOUT_SECONDS
        ) as cache:
            cache.ping()
    except (psycopg.OperationalError, redis.RedisError):
        return False
    return True


def _take_lock(path: Path, kind: int, deadline: float) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise EmbeddedServerError(
                    f"another process kept {path} locked for {START_TIMEOUT_SECONDS:.0f} s: "
                    "see which one with `fuser`, and end it"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return descriptor


def _spawn_guardian(home: Path, *, fsync: bool) -> subprocess.Popen[bytes]:
    with (home / "logs" / "guardian.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "oco_warehouse.embedded_guardian", str(home)),
                *(() if fsync else ("--no-fsync",)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # `python -m` would import what happens to lie in the folder that we were started in.
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            # Its own session: a Ctrl-C in the terminal must not reach it before its users are done.
            start_new_session=True,
        )


def _home(settings: Settings) -> Path:
    return settings.home.expanduser().absolute()
