"""dbt without a process and without a parse of its own: what tests of marts spend most time on.

The project is parsed once a run of pytest, by the real executable (`ensure_manifest`). The database
that a manifest names is the only thing in it that differs between tests, and is written in anew.
"""

import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import fields
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oco_pipelines.marts.project import (
    PROJECT_DIR,
    dbt_executable,
    ensure_manifest,
    profile_variables,
)

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

Done = subprocess.CompletedProcess[str]
# What profiles.yml says where POSTGRES_DB is not set, as it is not while the manifest is parsed.
_PARSED_FOR: Final = "opencloudops"
_QUIETER: Final = ("--no-use-colors", "--no-write-json", "--log-level-file", "none")


def copy_manifest(shared: Path, target: Path) -> None:
    """Put a fresh manifest of the project into `target`; `shared` keeps it for other workers."""
    with _variables({"DBT_TARGET_PATH": str(shared)}):
        ensure_manifest()
    for name in ("partial_parse.msgpack", "manifest.json"):
        shutil.copyfile(shared / name, target / name)


def dbt(url: str, target: Path, *arguments: str) -> Done:
    """Run a dbt command on a warehouse; the result is what the executable's would be.

    Args:
        url: address of the warehouse.
        target: folder that `copy_manifest` filled; compiled SQL is written there.
        arguments: the command, without any that changes how the project is parsed.
    """
    from dbt.cli.main import dbtRunner

    variables = profile_variables(url)
    runner = dbtRunner(_manifest_for(target, variables["POSTGRES_DB"]))
    output = StringIO()
    with _at(target, variables), redirect_stdout(output), redirect_stderr(output):
        result = runner.invoke([*_QUIETER, *arguments])
    if result.exception is not None:
        print(result.exception, file=output)
    returncode = 0 if result.success else 1 if result.exception is None else 2
    return subprocess.CompletedProcess(arguments, returncode, output.getvalue(), "")


def dbt_process(url: str, target: Path, *arguments: str) -> Done:
    """The same as a person runs it: a process, which parses what it needs."""
    variables = {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)}
    return subprocess.run(
        [dbt_executable(), "--no-use-colors", *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | profile_variables(url) | variables,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def _manifest_for(target: Path, database: str) -> "Manifest":
    """A manifest of its own for each run, because dbt changes the one that it runs."""
    from dbt.contracts.graph.manifest import Manifest

    manifest = Manifest(**pickle.loads(_parsed(target)))
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        assert node.database == _PARSED_FOR, node.unique_id
        node.database = database
        name = node.relation_name
        node.relation_name = name and name.replace(f'"{_PARSED_FOR}"', f'"{database}"', 1)
    manifest.build_flat_graph()
    return manifest


@cache
def _parsed(target: Path) -> bytes:
    """The manifest in `target`, as dbt itself reads it."""
    from dbt.cli.main import dbtRunner

    with _at(target, {}), redirect_stdout(StringIO()):
        result = dbtRunner().invoke([*_QUIETER, "parse"])
    assert result.success, result.exception
    manifest = result.result
    # A whole manifest cannot be pickled: dbt's __reduce_ex__ leaves out some of its fields.
    public = {
        field.name: getattr(manifest, field.name)
        for field in fields(manifest)  # type: ignore[arg-type]
        if not field.name.startswith("_")
    }
    return pickle.dumps(public, pickle.HIGHEST_PROTOCOL)


@contextmanager
def _at(target: Path, variables: dict[str, str]) -> Iterator[None]:
    """The folder and the environment that dbt is run in."""
    places = {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)}
    with chdir(PROJECT_DIR), _variables(places | variables):
        yield


@contextmanager
def _variables(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
