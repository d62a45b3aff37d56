"""`oco sources check` of Google's billing export as a person runs it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.oco_pipelines.ingestion.bigquery_accounts import exported
from tests.oco_pipelines.ingestion.bigquery_standin import (
    DATASET,
    DETAILED,
    PROJECT,
    Standin,
    serve,
)
from tests.oco_pipelines.ingestion.gcp_bill import line

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DAY = date(2026, 9, 10)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        running.table().deliver(DAY, exported(DAY, [line()]))
        running.table().touched = datetime.now(UTC)
        yield running


@pytest.fixture
def sources(tmp_path: Path, standin: Standin) -> str:
    path = tmp_path / "sources.yaml"
    options = {
        "project": PROJECT,
        "dataset": DATASET,
        "table": DETAILED,
        "api_endpoint": standin.url,
    }
    account = {
        "name": "gcp-main",
        "provider": "gcp",
        "kind": "bigquery",
        "options": options,
        "credentials": {"from": "environment"},
    }
    path.write_text(json.dumps({"accounts": [account]}))
    return str(path)


def test_an_export_that_can_be_read_is_exit_code_0(oco: Run, sources: str) -> None:
    done = oco("sources", "check", OCO_SOURCES=sources)
    assert done.returncode == 0, done.stderr
    assert "gcp-main (gcp bigquery)" in done.stdout
    assert "everything works" in done.stdout


def test_a_missing_role_is_told_with_the_command_that_grants_it(
    oco: Run, sources: str, standin: Standin
) -> None:
    standin.denied = {"insert job"}
    done = oco("sources", "check", OCO_SOURCES=sources)
    assert done.returncode == 1
    assert "1 missing" in done.stdout
    assert (
        "gcloud projects add-iam-policy-binding billing-admin --member=serviceAccount:EMAIL "
        "--role=roles/bigquery.jobUser" in done.stdout
    )
