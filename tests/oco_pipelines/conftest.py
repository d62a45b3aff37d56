"""What several tests of the pipelines need."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dbt_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where dbt writes its artifacts: one manifest a session, and none in the checkout."""
    target = tmp_path_factory.mktemp("dbt")
    before = os.environ.get("DBT_TARGET_PATH")
    os.environ["DBT_TARGET_PATH"] = str(target)
    yield target
    os.environ.pop("DBT_TARGET_PATH")
    if before is not None:
        os.environ["DBT_TARGET_PATH"] = before
