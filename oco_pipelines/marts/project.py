"""Where the dbt project is, and a manifest of it that is never older than its files."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from oco_warehouse.errors import ConfigurationError, OpenCloudOpsError

PROJECT_DIR: Final = Path(__file__).resolve().parents[2] / "dbt_project"
_INPUTS: Final = ("models", "macros", "tests")
_PARSE_TIMEOUT_SECONDS: Final = 120
_KEPT: Final = ("manifest.json", "partial_parse.msgpack")


class DbtProjectError(OpenCloudOpsError):
    """The dbt project cannot be parsed."""


def target_dir() -> Path:
    """Folder of dbt's artifacts: DBT_TARGET_PATH, as dbt itself reads it, or target/."""
    return PROJECT_DIR / os.environ.get("DBT_TARGET_PATH", "target")


def dbt_executable() -> str:
    """The dbt that belongs to this interpreter, whatever PATH says."""
    beside = Path(sys.executable).with_name("dbt")
    return str(beside) if beside.exists() else "dbt"


def ensure_manifest() -> Path:
    """Path of a manifest that fits the project's files; parses them, without a database, if needed.

    Safe to call from several processes at once: one parses, the others wait and take its result.

    Raises:
        DbtProjectError: when the project is missing, does not parse, or its target cannot be
            written.
    """
    target = target_dir()
    manifest = target / "manifest.json"
    if not (PROJECT_DIR / "dbt_project.yml").is_file():
        raise DbtProjectError(f"no dbt project at {PROJECT_DIR}: run from a full checkout")
    try:
        if _is_fresh(manifest):
            return manifest
        target.mkdir(parents=True, exist_ok=True)
        with (target / ".manifest.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_fresh(manifest):
                _parse_into(target)
    except OSError as error:
        raise DbtProjectError(
            f"dbt's manifest cannot be written to {target}: {error}; set DBT_TARGET_PATH"
        ) from None
    return manifest


def _is_fresh(manifest: Path) -> bool:
    if not manifest.is_file():
        return False
    written = manifest.stat().st_mtime_ns
    inputs = [PROJECT_DIR / "dbt_project.yml"]
    for folder in _INPUTS:
        # Folders count too: a deleted file leaves only its folder's time behind.
        inputs += [PROJECT_DIR / folder, *(PROJECT_DIR / folder).rglob("*")]
    return all(path.stat().st_mtime_ns <= written for path in inputs)


def _parse_into(target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".parse-", dir=target) as scratch:
        environment = os.environ | {
            "DBT_TARGET_PATH": scratch,
            "DBT_LOG_PATH": scratch,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        result = subprocess.run(
            [dbt_executable(), "--no-use-colors", "parse", "--quiet", "--no-partial-parse"],
            cwd=PROJECT_DIR,
            env=environment | {"DBT_PROFILES_DIR": str(PROJECT_DIR)},
            capture_output=True,
            text=True,
            timeout=_PARSE_TIMEOUT_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            reason = " ".join((result.stdout + result.stderr).split())[-500:]
            raise DbtProjectError(f"dbt cannot parse {PROJECT_DIR}: {reason}")
        # The manifest goes last: whoever sees it sees the rest too.
        for name in reversed(_KEPT):
            shutil.move(Path(scratch) / name, target / name)


def profile_variables(url: str) -> dict[str, str]:
    """What `dbt_project/profiles.yml` reads, from a postgresql:// address.

    Raises:
        ConfigurationError: when the address names no database.
    """
    parts = urlsplit(url)
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise ConfigurationError("DATABASE_URL names no database, and dbt needs one")
    return {
        "POSTGRES_HOST": unquote(parts.hostname or "localhost"),
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": unquote(parts.username or "oco_user"),
        "POSTGRES_PASSWORD": unquote(parts.password or ""),
        "POSTGRES_DB": database,
    }


@contextmanager
def profile_environment(url: str) -> Iterator[None]:
    """Point dbt at the warehouse while a dbt process is started.

    dagster-dbt hands the process its own environment and takes no other; the variables are put
    back at once, so that nothing else in the process sees them for longer.
    """
    variables = profile_variables(url) | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
