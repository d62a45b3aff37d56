"""The kind `query` from the file of accounts to the mart's doorstep, and what `check` says."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    build_schedule_context,
    build_sensor_context,
)

from oco_pipelines.ingestion import source_assets
from oco_pipelines.ingestion.accounts import load_accounts
from oco_pipelines.ingestion.azure_credentials import (
    CREDENTIAL_VARIABLES,
    NoToken,
    TokenFile,
    credential_of,
    principal_of,
)
from oco_pipelines.ingestion.azure_query_assets import beginning, restating
from oco_pipelines.ingestion.azure_query_kind import Query
from oco_pipelines.ingestion.definitions import build
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.azure_query_options import RULES, parse_query
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConfigurationError, InvalidInputError
from oco_warehouse.settings import Settings, load_settings
from tests.oco_pipelines.ingestion.azure_standin import SCOPE, TOKEN, Azure, Charge, Fault, azure
from tests.oco_pipelines.ingestion.test_azure_query_load import sums, truth

KEY = AssetKey(["azure_query", "azure_main"])
OCTOBER = "azure-main|2026-10"


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as server:
        server.charges = [
            Charge(date(2026, 10, 3), "1.25", "1.25"),
            Charge(
                date(2026, 10, 3), "100", None, ChargeType="Purchase", PricingModel="SavingsPlan"
            ),
            Charge(date(2026, 10, 4), "0", "3.2", PricingModel="SavingsPlan"),
        ]
        yield server


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as local:
        yield local


def configured(tmp_path: Path, cloud: Azure | None = None, **options: Any) -> Settings:
    (tmp_path / "token").write_text(TOKEN)
    endpoint = {"endpoint": cloud.url} if cloud else {}
    account = {
        "name": "azure-main",
        "provider": "azure",
        "kind": "query",
        "options": {"scope": SCOPE, **endpoint, **options},
        "credentials": {"from": "file", "path": "token"},
    }
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"accounts": [account]}))
    return load_settings({"OCO_HOME": str(tmp_path / "home"), "OCO_SOURCES": str(path)})


def account_of(settings: Settings) -> Account:
    (account,) = load_accounts(settings)
    return account


def composed(settings: Settings, url: str) -> Definitions:
    shared = Definitions(resources={"warehouse": WarehouseResource(database_url=url)})
    return Definitions.merge(build(settings), shared)


def run(
    settings: Settings, url: str, instance: DagsterInstance, key: str = OCTOBER
) -> ExecuteInProcessResult:
    instance.add_dynamic_partitions("account_azure_main", [key])
    job = composed(settings, url).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[KEY], partition_key=key, instance=instance, raise_on_error=False
    )


def metadata(done: ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = done.asset_materializations_for_node("azure_query__azure_main")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_run_loads_its_month_and_says_what_it_took(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path, instance: DagsterInstance
) -> None:
    done = run(configured(tmp_path, cloud), warehouse.url, instance)
    assert done.success
    assert sums(warehouse) == truth(cloud.charges) == (Decimal("101.25"), Decimal("4.45"))
    told = metadata(done)
    assert told["rows"] == 3 and told["window"] == "2026-10-03 to 2026-10-04"
    assert told["total"]["USD"]["billed_cost"] == "101.25"
    assert told["requests"] == told["pages"] == len(cloud.requests) and told["seconds_waited"] == 0
    # The secret is nowhere in what Dagster keeps.
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("dagster/**/*") if path.is_file())
    assert TOKEN.encode() not in kept and len(kept) > 1000


def test_a_run_that_azure_refuses_fails_once_with_one_line(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path, instance: DagsterInstance
) -> None:
    cloud.denied = True
    done = run(configured(tmp_path, cloud), warehouse.url, instance)
    (failed,) = done.get_step_failure_events()
    assert "give the identity the role Cost Management Reader" in str(failed.event_specific_data)
    assert len(cloud.requests) == 1
    assert sums(warehouse) == (0, 0)


def test_a_run_that_would_wait_too_long_ends_and_is_tried_again(
    warehouse: Warehouse,
    cloud: Azure,
    tmp_path: Path,
    instance: DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_assets, "_RETRY_SECONDS", 0)
    cloud.faults = [Fault(429, {"x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after": "9"})]
    done = run(configured(tmp_path, cloud, max_wait_seconds=1), warehouse.url, instance)
    tried = [event for event in done.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert len(tried) == 1 and "over the bound of 1 s" in str(tried[0].event_specific_data)
    assert done.success and sums(warehouse) == truth(cloud.charges)


def test_the_sensor_asks_for_every_month_once_and_the_schedule_for_the_last_two(
    cloud: Azure, tmp_path: Path, instance: DagsterInstance
) -> None:
    settings = configured(tmp_path, cloud, since="2026-07")
    account = account_of(settings)
    options = parse_query(account)
    first = beginning(account, options)(build_sensor_context(instance=instance))
    keys = [request.partition_key for request in first.run_requests or []]
    assert keys[-1] == "azure-main|2026-07" and len(keys) >= 4
    instance.add_dynamic_partitions("account_azure_main", [str(key) for key in keys])
    again = beginning(account, options)(build_sensor_context(instance=instance))
    assert again.run_requests == []
    tick = restating(account, parse_query(account), settings).evaluate_tick(
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 8, 1, 0, tzinfo=UTC),
            repository_def=composed(settings, "unused").get_repository_def(),
        )
    )
    keys = [request.partition_key for request in tick.run_requests or []]
    assert keys == ["azure-main|2026-07", "azure-main|2026-08"]


def test_no_month_before_the_first_is_read_again(
    cloud: Azure, tmp_path: Path, instance: DagsterInstance
) -> None:
    settings = configured(tmp_path, cloud, since="2026-08")
    account = account_of(settings)
    tick = restating(account, parse_query(account), settings).evaluate_tick(
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 8, 9, 0, tzinfo=UTC),
            repository_def=composed(settings, "unused").get_repository_def(),
        )
    )
    assert [r.partition_key for r in tick.run_requests or []] == ["azure-main|2026-08"]


def test_the_schedule_asks_again_for_a_month_that_failed(
    warehouse: Warehouse, cloud: Azure, tmp_path: Path, instance: DagsterInstance
) -> None:
    settings = configured(tmp_path, cloud, since="2026-06")
    account = account_of(settings)
    run(settings, warehouse.url, instance, "azure-main|2026-07")
    tick = restating(account, parse_query(account), settings).evaluate_tick(
        build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 9, 1, 0, tzinfo=UTC),
            repository_def=composed(settings, "unused").get_repository_def(),
        )
    )
    keys = [request.partition_key for request in tick.run_requests or []]
    assert keys == ["azure-main|2026-08", "azure-main|2026-09", "azure-main|2026-06"]


def test_check_tells_the_costs_of_the_month(cloud: Azure, tmp_path: Path) -> None:
    cloud.charges = [Charge(datetime.now(UTC).date(), "2.5", "2.5")]
    account = account_of(configured(tmp_path, cloud))
    findings = Query().check(account)
    assert [finding.ok for finding in findings] == [True, True]
    assert findings[1].detail == "this month so far: 2.50 USD"


def test_check_names_the_role_and_the_command_that_assigns_it(cloud: Azure, tmp_path: Path) -> None:
    settings = configured(tmp_path, cloud)
    claims = base64.urlsafe_b64encode(json.dumps({"oid": "1234-object"}).encode()).decode()
    token = f"x.{claims.rstrip('=')}.y"
    (tmp_path / "token").write_text(json.dumps({"accessToken": token}))
    credential, access = Query().check(account_of(settings))
    assert credential.ok and "1234-object" in credential.detail
    assert not access.ok and "HTTP 401" in access.detail
    assert access.remedy == (
        "az role assignment create --assignee-object-id 1234-object "
        '--assignee-principal-type ServicePrincipal --role "Cost Management Reader" '
        f'--scope "{SCOPE}"'
    )
    assert token not in str((credential, access))


def test_check_of_a_billing_scope_names_its_own_roles(cloud: Azure, tmp_path: Path) -> None:
    cloud.denied = True
    scope = "/providers/Microsoft.Billing/billingAccounts/1:2/billingProfiles/P-1"
    _, access = Query().check(account_of(configured(tmp_path, cloud, scope=scope)))
    assert not access.ok and "Billing profile reader" in access.remedy


@pytest.mark.parametrize("content", ["", "two words", "{", "{}", '{"accessToken": ""}'])
def test_check_of_a_file_without_credentials_asks_nobody(
    cloud: Azure, tmp_path: Path, content: str
) -> None:
    account = account_of(configured(tmp_path, cloud))
    (tmp_path / "token").write_text(content)
    (finding,) = Query().check(account)
    assert not finding.ok and finding.remedy and cloud.requests == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scope": None}, "options.scope is missing"),
        ({"scope": "main"}, "options.scope is wrong: the scope 'main' is none of Azure's"),
        ({"scoep": SCOPE}, "options.scoep is unknown; known are scope, since"),
        ({"since": "2026-13"}, "options.since must be a month"),
        ({"since": 2026}, "options.since must be a text"),
        ({"endpoint": "http://example.com"}, "options.endpoint must be an https://"),
        ({"max_wait_seconds": 4000}, "options.max_wait_seconds must be a whole number"),
        ({"max_wait_seconds": True}, "options.max_wait_seconds must be a whole number"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    settings = configured(tmp_path, None, **options)
    with pytest.raises(InvalidInputError) as refused:
        load_accounts(settings)
    assert told in str(refused.value) and "account azure-main" in str(refused.value)


def test_the_costs_of_a_subscription_are_not_read_again_by_its_resource_group() -> None:
    entry = {"provider": "azure", "kind": "query", "credentials": {"from": "instance_role"}}
    whole, part = (
        parse_accounts({"accounts": [{**entry, "name": name, "options": {"scope": scope}}]}, Path())
        for name, scope in (("a", SCOPE), ("b", f"{SCOPE}/resourceGroups/Main"))
    )
    (ours,), (theirs,) = RULES.money(whole[0]), RULES.money(part[0])
    assert theirs[: len(ours)] == ours and len(theirs) > len(ours)


def test_credentials_of_the_environment_are_the_variables_of_the_sdk_or_those_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sources.yaml"
    entry = {"name": "a", "provider": "azure", "kind": "query", "options": {"scope": SCOPE}}

    def account(**variables: str) -> Account:
        credentials = {"from": "environment", **variables}
        path.write_text(yaml.safe_dump({"accounts": [{**entry, "credentials": credentials}]}))
        return account_of(load_settings({"OCO_SOURCES": str(path)}))

    values = dict.fromkeys(CREDENTIAL_VARIABLES.values(), "00000000-0000-0000-0000-000000000000")
    assert credential_of(account(), environment=values)
    with pytest.raises(ConfigurationError, match=r"client_secret .* AZURE_CLIENT_SECRET"):
        credential_of(account(), environment={**values, "AZURE_CLIENT_SECRET": ""})
    with pytest.raises(ConfigurationError, match=r"client_secret .* PROD, which"):
        credential_of(account(client_secret="PROD"), environment=values)
    with pytest.raises(InvalidInputError, match=r"credentials\.certificate is unknown"):
        account(certificate="PROD")


def test_a_token_that_is_no_token_of_azure_has_no_identity(tmp_path: Path) -> None:
    assert principal_of("opaque") is None and principal_of("a.b.c") is None
    (tmp_path / "t").write_text("")
    with pytest.raises(NoToken, match="there is no token"):
        TokenFile(tmp_path / "t").get_token()
