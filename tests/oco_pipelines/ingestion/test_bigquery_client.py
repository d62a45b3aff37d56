"""Google's own library against BigQuery's REST API: what is tried again, and what is one line."""

import logging
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2 import service_account

from oco_pipelines.ingestion import bigquery_client
from oco_pipelines.ingestion.bigquery_errors import AccessDenied
from oco_pipelines.ingestion.bigquery_table import figures_query, rows_query
from oco_pipelines.ingestion.gcp_columns import NECESSARY
from oco_warehouse.cloud_accounts.bigquery_address import ExportTable
from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from tests.oco_pipelines.ingestion.bigquery_accounts import QUICK, account, client_of, exported
from tests.oco_pipelines.ingestion.bigquery_standin import (
    DATASET,
    DETAILED,
    PROJECT,
    Standin,
    serve,
)
from tests.oco_pipelines.ingestion.gcp_bill import line

DAY, NEXT = date(2026, 9, 10), date(2026, 9, 11)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with serve() as running:
        lines = [line(cost=Decimal(number)) for number in range(12)]
        running.table().deliver(DAY, exported(DAY, lines))
        running.table().deliver(NEXT, exported(NEXT, lines[:3]))
        running.page_rows = 5
        yield running


def rows_of(standin: Standin, **options: Any) -> list[tuple[str, int]]:
    return list(client_of(account(standin, **options)).rows(DAY))


def test_rows_come_page_by_page_and_are_counted(standin: Standin) -> None:
    client = client_of(account(standin))
    assert len(list(client.rows(DAY))) == 12
    assert standin.requests.count("next page") == 2
    assert client.spent.bytes_billed == 10 * 1024**2
    assert client.spent.requests == len(standin.requests)


@pytest.mark.parametrize("kind", ["get table", "insert job", "get results", "next page"])
@pytest.mark.parametrize("fault", [429, 503, 500, "cut"])
def test_what_is_transient_is_tried_again_and_every_time_told(
    standin: Standin, caplog: pytest.LogCaptureFixture, kind: str, fault: int | str
) -> None:
    expected = sorted(rows_of(standin))
    standin.faults.extend([(kind, fault)] * 3)
    with caplog.at_level(logging.WARNING, bigquery_client.__name__):
        assert sorted(rows_of(standin)) == expected
    assert not standin.faults
    assert [record.message.count("trying again") for record in caplog.records] == [1, 1, 1]


def test_a_query_that_runs_long_is_waited_for(standin: Standin) -> None:
    standin.polls = 3
    assert len(rows_of(standin)) == 12


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (429, UpstreamThrottled, "still asks to slow down"),
        (503, UpstreamUnavailable, "keeps failing"),
    ],
)
def test_a_storm_that_does_not_end_is_one_line_after_the_deadline(
    standin: Standin, status: int, error: type[Exception], said: str
) -> None:
    standin.faults.extend([("any", status)] * 100_000)
    with pytest.raises(error, match=said) as raised:
        rows_of(standin)
    assert "\n" not in str(raised.value)


def test_nobody_there_is_one_line(standin: Standin) -> None:
    with pytest.raises(UpstreamUnavailable, match="no answer from BigQuery") as raised:
        rows_of(standin, api_endpoint="http://127.0.0.1:1")
    assert "\n" not in str(raised.value)


def test_a_query_over_the_limit_says_what_to_raise_and_costs_nothing(standin: Standin) -> None:
    client = client_of(account(standin, maximum_bytes_billed=1000))
    with pytest.raises(InvalidInputError) as raised:
        list(client.rows(DAY))
    assert str(raised.value).endswith(
        "would bill more than maximum_bytes_billed allows (1000): raise maximum_bytes_billed to at "
        "least 10485760"
    )
    assert client.spent.bytes_billed == 0


def test_rows_that_are_lost_on_the_way_are_seen(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.oco_pipelines.ingestion import bigquery_standin

    whole = bigquery_standin._results

    def losing(*arguments: Any) -> dict[str, Any]:
        found = whole(*arguments)
        found.pop("pageToken", None)
        return found

    monkeypatch.setattr(bigquery_standin, "_results", losing)
    with pytest.raises(UpstreamUnavailable, match="5 rows came where BigQuery announced 12"):
        rows_of(standin)


def test_every_query_is_pruned_by_partition(standin: Standin) -> None:
    client = client_of(account(standin))
    assert [found.rows for found in client.figures(DAY, NEXT)] == [12]
    list(client.rows(DAY))
    assert standin.scanned == [DAY]
    assert all("_PARTITIONTIME >= @first AND" in query for query in standin.queries)


@pytest.mark.parametrize("cut", [" AND _PARTITIONTIME < @after", "_PARTITIONTIME >= @first AND "])
def test_a_query_that_is_not_pruned_is_refused(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    def unpruned(table: ExportTable) -> str:
        return figures_query(table).replace(cut, "")

    monkeypatch.setattr(bigquery_client, "figures_query", unpruned)
    with pytest.raises(InvalidInputError, match="partition elimination"):
        client_of(account(standin)).figures(DAY, NEXT)


def test_what_is_missing_is_told_apart(standin: Standin) -> None:
    for kind in ("get table", "insert job"):
        standin.denied = {kind}
        with pytest.raises(AccessDenied, match="access denied"):
            rows_of(standin)
    standin.denied = set()
    standin.tables.clear()
    with pytest.raises(NotFoundError, match=f"not found: .*{DETAILED}"):
        rows_of(standin)


@pytest.mark.parametrize(
    ("reason", "error", "said"),
    [
        ("quotaExceeded", UpstreamThrottled, "a quota of the project is used up: Not today"),
        ("billingNotEnabled", ConfigurationError, "does not allow it: Not today"),
    ],
)
def test_a_403_that_no_role_would_mend_is_no_missing_role(
    standin: Standin, reason: str, error: type[Exception], said: str
) -> None:
    standin.faults.append(("insert job", reason))
    with pytest.raises(error, match=said) as raised:
        rows_of(standin)
    assert not isinstance(raised.value, AccessDenied)


def test_a_limit_of_rate_that_comes_as_403_is_tried_again(standin: Standin) -> None:
    standin.faults.extend([("insert job", "rateLimitExceeded")] * 3)
    assert len(rows_of(standin)) == 12


def test_a_view_and_a_copy_are_refused(standin: Standin) -> None:
    table = standin.table()
    table.kind = "VIEW"
    with pytest.raises(InvalidInputError, match="is a VIEW, not an export's table"):
        rows_of(standin)
    table.kind = "TABLE"
    for partitioning in (None, {"type": "HOUR"}, {"type": "DAY", "field": "export_time"}):
        table.partitioning = partitioning
        with pytest.raises(InvalidInputError, match="not partitioned by ingestion day"):
            rows_of(standin)


def test_a_table_without_a_necessary_column_is_refused_before_any_query() -> None:
    table = ExportTable(PROJECT, "billing", DETAILED)
    with pytest.raises(InvalidInputError, match="lacks the column credits, export_time"):
        rows_query(table, [name for name in NECESSARY if name != "credits"])


def test_an_older_table_is_asked_for_the_columns_that_it_has(standin: Standin) -> None:
    table = standin.table()
    fields = [found for found in table.fields() if found["name"] not in {"tags", "price"}]
    table.fields = lambda: fields  # type: ignore[method-assign]
    assert len(rows_of(standin)) == 12
    assert "`price`" not in standin.queries[-1]


@pytest.fixture(scope="module")
def pem() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signed(standin: Standin, pem: str, token_url: str) -> bigquery_client.ExportClient:
    """A client that signs its requests as a service account does."""
    key = {"client_email": "a@b", "private_key": pem, "token_uri": token_url}
    return bigquery_client.open_client(
        ExportTable(PROJECT, DATASET, DETAILED),
        service_account.Credentials.from_service_account_info(key, scopes=["bigquery"]),
        location=None,
        maximum_bytes_billed=10**9,
        api_endpoint=standin.url,
        patience=QUICK,
    )


def test_a_service_account_signs_every_request_with_its_token(standin: Standin, pem: str) -> None:
    client = signed(standin, pem, f"{standin.url}/token")
    assert len(list(client.rows(DAY))) == 12
    assert standin.requests.count("get token") == 1
    assert standin.tokens == {None, "Bearer short-lived"}  # asking for the token has none


def test_a_token_that_google_refuses_or_does_not_give_is_one_line(
    standin: Standin, pem: str
) -> None:
    standin.denied = {"get token"}
    with pytest.raises(ConfigurationError, match="did not accept the credentials") as refused:
        list(signed(standin, pem, f"{standin.url}/token").rows(DAY))
    with pytest.raises(UpstreamUnavailable, match=r"token service .* does not answer") as silent:
        list(signed(standin, pem, "http://127.0.0.1:1/token").rows(DAY))
    for raised in (refused, silent):
        assert "\n" not in str(raised.value)
        assert "PRIVATE" not in str(raised.value)
