"""What several tests of the pipelines need."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from tests.dbt_in_process import copy_manifest


@pytest.fixture(scope="session")
def dbt_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where dbt writes its artifacts: a manifest is there, and nothing is left in the checkout."""
    target = tmp_path_factory.mktemp("dbt")
    root = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have a folder each below the one of the run, and share one parse.
    run = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    copy_manifest(run / "dbt-parsed", target)
    before = os.environ.get("DBT_TARGET_PATH")
    os.environ["DBT_TARGET_PATH"] = str(target)
    yield target
    os.environ.pop("DBT_TARGET_PATH")
    if before is not None:
        os.environ["DBT_TARGET_PATH"] = before


@pytest.fixture(autouse=True)
def no_current_instance() -> Iterator[None]:
    """Leave no Dagster instance behind as the current one.

    What a schedule's tick enters may be left out of order; then a later test, in which that
    instance is gone, could load no definitions.
    """
    with set_defs_state_storage(None):
        yield
