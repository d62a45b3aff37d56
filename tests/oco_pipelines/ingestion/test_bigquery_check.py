"""What `oco sources check` says of a billing export in BigQuery, and what to do about it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oco_pipelines.ingestion.source_kinds import Finding, kind_of
from tests.oco_pipelines.ingestion.bigquery_accounts import account, exported
from tests.oco_pipelines.ingestion.bigquery_standin import DETAILED, STANDARD, Standin, serve
from tests.oco_pipelines.ingestion.gcp_bill import line

DAY = date(2026, 9, 10)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        running.table().deliver(DAY, exported(DAY, [line(cost=Decimal(1))]))
        running.table().touched = datetime.now(UTC) - timedelta(hours=3)
        yield running


def check(standin: Standin, table: str = DETAILED, **options: Any) -> list[Finding]:
    found = account(standin, table, **options)
    return kind_of(found).check(found)


def missing(findings: list[Finding]) -> Finding:
    """The one thing that is missing, which is the last that was looked at."""
    assert [finding.ok for finding in findings].count(False) == 1
    return next(finding for finding in findings if not finding.ok)


def test_an_export_that_can_be_read_says_so_and_nothing_is_billed(standin: Standin) -> None:
    findings = check(standin, location="EU")
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "looking for changes from" in findings[1].detail
    assert standin.jobs == {}


def test_who_may_not_see_the_table_gets_the_grant_for_its_dataset(standin: Standin) -> None:
    standin.denied = {"get table"}
    found = missing(check(standin))
    assert found.remedy == (
        "bq query --use_legacy_sql=false 'GRANT `roles/bigquery.dataViewer` ON SCHEMA "
        '`billing-admin.billing` TO "serviceAccount:EMAIL"\''
    )


def test_who_may_not_run_queries_gets_the_binding_for_the_project(standin: Standin) -> None:
    standin.denied = {"insert job"}
    found = missing(check(standin))
    assert found.remedy.startswith(
        "gcloud projects add-iam-policy-binding billing-admin --member=serviceAccount:EMAIL "
        "--role=roles/bigquery.jobUser"
    )


def test_a_table_that_is_not_there_names_those_that_are(standin: Standin) -> None:
    found = missing(check(standin, STANDARD))
    assert f"Not found: Table billing-admin:billing.{STANDARD}" in found.detail
    assert found.remedy == f"name a table of billing-admin.billing that is there: {DETAILED}"


def test_a_dataset_without_an_export_says_where_to_enable_it(standin: Standin) -> None:
    standin.tables.clear()
    standin.table("something_else")
    assert "no billing export in billing-admin.billing: enable it" in missing(check(standin)).remedy
    standin.dataset_there = False
    assert "there is no dataset billing-admin.billing" in missing(check(standin)).remedy


def test_an_export_that_is_empty_or_has_fallen_silent_is_told(standin: Standin) -> None:
    standin.table().touched = datetime.now(UTC) - timedelta(days=3)
    assert "Google writes every day" in missing(check(standin)).detail
    standin.table().days.clear()
    assert "has no rows yet" in missing(check(standin)).detail


def test_another_location_than_the_datasets_is_told(standin: Standin) -> None:
    findings = check(standin, location="US")
    wrong = [finding for finding in findings if not finding.ok]
    assert wrong[0].remedy == "set location: EU, or leave it out"


def test_a_limit_that_is_too_low_is_told_before_a_run_fails(standin: Standin) -> None:
    today = datetime.now(UTC).date()
    # Figures read eight bytes a row: 2 million rows are 16 million bytes.
    standin.table().deliver(today, exported(today, [line()]) * 2_000_000)
    standin.table().touched = datetime.now(UTC)
    found = missing(check(standin, maximum_bytes_billed=11 * 1024**2, lookback_days=2))
    assert "bills 16000000 bytes, maximum_bytes_billed is 11534336" in found.detail
    assert found.remedy.startswith("raise maximum_bytes_billed to at least 16000000")


def test_a_limit_below_what_bigquery_always_bills_is_told(standin: Standin) -> None:
    found = missing(check(standin, maximum_bytes_billed=1000))
    assert found.remedy.startswith("raise maximum_bytes_billed to at least 10485760")


def test_nobody_there_is_a_finding_and_no_crash(standin: Standin) -> None:
    standin.denied = set()
    findings = check(standin, api_endpoint="http://127.0.0.1:1")
    assert "no answer from BigQuery" in missing(findings).detail


def test_credentials_that_are_not_there_are_a_finding(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    found = account(standin, api_endpoint="https://bigquery.example")
    assert missing(kind_of(found).check(found)).what == "read the credentials"
