"""Real servers for every test: one PostgreSQL and one Redis a session, a fresh database a test.

`OCO_TEST_DATABASE_URL` and `OCO_TEST_REDIS_URL` run the suite against servers of your own (the role
needs CREATEDB); the databases that the tests make are theirs alone and are dropped again. One Redis
cannot be flushed by two workers: run `pytest` without `-n` then.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings
from tests.databases import Databases

# Embedded servers share two cores with the tests: a slow example is not a failing one.
hypothesis_settings.register_profile("oco", deadline=None, max_examples=50)
hypothesis_settings.load_profile("oco")

# What a developer's shell sets must not reach a test.
_OURS = ("OCO_", "CEREBRA_", "ECONOMIST_", "POSTGRES_", "REDIS_", "DAGSTER_", "DBT_")
_TEST_SERVERS = {
    name: os.environ.pop(name)
    for name in ("OCO_TEST_DATABASE_URL", "OCO_TEST_REDIS_URL")
    if name in os.environ
}
_FOCUS_VALIDATOR = os.environ.pop("OCO_TEST_FOCUS_VALIDATOR", "")
_REAL_KUBECONFIG = os.environ.pop("OCO_TEST_KUBECONFIG", "")
for _name in list(os.environ):
    if _name.startswith(_OURS) or _name in {"DATABASE_URL", "LOG_LEVEL"}:
        del os.environ[_name]
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ["DO_NOT_TRACK"] = "1"


_MEMORY = Path("/dev/shm")
_GIB = 2**30


def pytest_configure(config: pytest.Config) -> None:
    """Make the place and the signals of a run the same however it was started."""
    _write_into_memory(config)
    # A shell ignores it for what runs in the background; Dagster then ignores SIGTERM, too, and
    # whatever the tests start inherits that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _write_into_memory(config: pytest.Config) -> None:
    """Keep what tests write in memory where there is room for it, until the run ends.

    A test database is a copy of 700 small files: 0.03 s there, 0.5 s on a slow disk. With
    PYTEST_DEBUG_TEMPROOT it is where you say, and stays.
    """
    if "PYTEST_DEBUG_TEMPROOT" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    for old in _MEMORY.glob("oco-tests-*"):
        # Of a run that was killed.
        if not Path("/proc", old.name.rpartition("-")[2]).exists():
            shutil.rmtree(old, ignore_errors=True)
    runs_programs = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    if runs_programs and shutil.disk_usage(_MEMORY).free >= 6 * _GIB:
        root = _MEMORY / f"oco-tests-{os.getpid()}"
        root.mkdir(mode=0o700)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)
        config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: what starts whole processes comes last."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


class Servers(NamedTuple):
    """Addresses of the session's servers."""

    database_url: str
    redis_url: str


@pytest.fixture(scope="session")
def focus_validator() -> Path:
    """The executable of the FinOps Foundation's focus-validator, a tool of its own environment."""
    if not _FOCUS_VALIDATOR:
        pytest.skip(
            "OCO_TEST_FOCUS_VALIDATOR names no focus-validator (see docs/export.md): "
            "the export was not checked against the official rules"
        )
    path = Path(_FOCUS_VALIDATOR)
    assert path.is_file(), f"OCO_TEST_FOCUS_VALIDATOR={path} is no file"
    return path


@pytest.fixture(scope="session")
def real_kubeconfig() -> Path:
    """A kubeconfig whose current context is a cluster with Velero that tests may use."""
    if not _REAL_KUBECONFIG:
        pytest.skip(
            "OCO_TEST_KUBECONFIG names no kubeconfig (see docs/recovery.md): "
            "nothing was tried on a real cluster"
        )
    path = Path(_REAL_KUBECONFIG)
    assert path.is_file(), f"OCO_TEST_KUBECONFIG={path} is no file"
    return path


@pytest.fixture(scope="session")
def oco_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An $OCO_HOME for the session; also what a settings object without one falls back to."""
    home = tmp_path_factory.mktemp("home")
    os.environ["OCO_HOME"] = str(home)
    return home


@pytest.fixture(scope="session")
def servers(oco_home: Path) -> Iterator[Servers]:
    """PostgreSQL and Redis of the session."""
    environment = {"OCO_HOME": str(oco_home), "OCO_EMBEDDED_FSYNC": "off"}
    if "OCO_TEST_DATABASE_URL" in _TEST_SERVERS:
        environment["DATABASE_URL"] = _TEST_SERVERS["OCO_TEST_DATABASE_URL"]
    if "OCO_TEST_REDIS_URL" in _TEST_SERVERS:
        environment["REDIS_URL"] = _TEST_SERVERS["OCO_TEST_REDIS_URL"]
    with embedded_servers(load_settings(environment)) as attached:
        if "DATABASE_URL" not in environment:
            _make_logins_cheap(attached.warehouse_url())
        yield Servers(attached.warehouse_url(), attached.cache_url())


def _make_logins_cheap(url: str) -> None:
    """Store the same password with one round of hashing.

    A login hashes it 4096 times, on the side of the client, and tests log in many thousand times.
    """
    parts = urlsplit(url)
    with psycopg.connect(url) as connection:
        connection.execute("SET scram_iterations = 1")
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(unquote(parts.username or "")),
                sql.Literal(unquote(parts.password or "")),
            )
        )


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """Makes and drops databases."""
    # One connection for all: a login for each would add to what every test costs.
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        yield Databases(servers.database_url, connection)


@pytest.fixture(scope="session")
def template_database(databases: Databases) -> Iterator[str]:
    """Name of a migrated database that each test gets a copy of."""
    with databases.fresh("template") as url:
        migrations.upgrade(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def warehouse_url(databases: Databases, template_database: str) -> Iterator[str]:
    """Address of a fresh, migrated warehouse."""
    with databases.fresh("test", template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """Address of a database that was never migrated."""
    with databases.fresh("empty") as url:
        yield url


@pytest.fixture
def warehouse(warehouse_url: str) -> Warehouse:
    """A fresh, migrated warehouse."""
    return Warehouse(warehouse_url)


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """Address of an empty Redis."""
    client = redis.Redis.from_url(servers.redis_url)
    client.flushall()
    client.close()
    return servers.redis_url
