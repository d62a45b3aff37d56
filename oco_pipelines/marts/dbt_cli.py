"""dbt as Dagster starts it: each build is one process, and parses only what changed."""

import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from dagster_dbt import DbtCliResource
from packaging.version import Version, parse

_PARSED: Final = "partial_parse.msgpack"


class DbtExecutable(DbtCliResource):
    """The executable without what dagster-dbt does beside each call and we have no use for.

    It would run `dbt --version`, which asks a package index for newer ones, and import all of dbt
    into Dagster's process to read columns from the database.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return parse(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:  # noqa: ARG002
        return None


def keep_parsed(artifacts: Path, target: Path) -> None:
    """Let the next build begin with what this one parsed.

    dbt parses everything anew where the warehouse's address is not the one it parsed for, and the
    manifest that Dagster reads was parsed for none.
    """
    parsed = artifacts / _PARSED
    if artifacts == target or not parsed.exists():
        return
    # Another build may be reading it: it is there as a whole, old or new.
    whole = target / f".{_PARSED}.{os.getpid()}"
    shutil.copyfile(parsed, whole)
    whole.replace(target / _PARSED)
