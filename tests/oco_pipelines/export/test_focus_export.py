"""A billing month leaves the warehouse as FOCUS, whole and to the last digit, and can come back."""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.export import focus_file
from oco_pipelines.export.focus_file import Exported, export_focus
from oco_pipelines.export.focus_query import Selection, columns_of, read_month
from oco_pipelines.ingestion.focus_columns import CHARGE_CATEGORIES
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError, NotFoundError, WarehouseError
from oco_warehouse.money import exact_sum

Bill = Callable[..., Path]
Charge = dict[str, str | None]
SEPTEMBER = Selection(datetime(2026, 9, 1, tzinfo=UTC))
CALL = """
    INSERT INTO oco.api_requests (
        id, provider, model, org_id, team_id, input_tokens, output_tokens, total_tokens,
        cost_usd, input_cost_usd, output_cost_usd, cost_status, status_code, "timestamp"
    )
    VALUES ('a', 'openai', 'gpt', 'acme', 'search', 1000, 10, 1010, 0.3, 0.1, 0.2, 'exact', 200,
            '2026-09-05 10:30Z')
"""
# Rules of FOCUS 1.2 that hold for every row.
NEVER_NULL = [
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ServiceCategory",
    "ServiceSubcategory",
    "ServiceName",
    "InvoiceIssuerName",
    "ProviderName",
    "PublisherName",
    "PricingCurrency",
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def export(
    warehouse: Warehouse, out: Path, selection: Selection = SEPTEMBER, version: str = "1.2"
) -> Exported:
    return export_focus(warehouse, out, version, selection)


def test_cloud_and_model_charges_of_the_billing_month_keep_every_digit(
    built: Warehouse, bill: Bill, tmp_path: Path
) -> None:
    long = "12345678901234567890.1234567890123456789"
    load_focus_file(
        built,
        "a",
        bill(
            {"BilledCost": long, "ResourceId": 'a "quoted",\nname'},
            # Used in August, billed in September; the third is the other way round.
            {"ChargePeriodStart": "2026-08-31T23:00:00Z", "ResourceId": "late"},
            {
                "BillingPeriodStart": "2026-08-01T00:00:00Z",
                "BillingPeriodEnd": "2026-09-01T00:00:00Z",
                "ResourceId": "other month",
            },
        ),
    )
    built.execute(CALL)
    done = export(built, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert done.rows == len(rows) == 4
    assert done.totals["USD"]["billed_cost"] == exact_sum(map(Decimal, (long, "1.8")))
    by_resource = {row["ResourceId"]: row for row in rows}
    assert by_resource['a "quoted",\nname']["BilledCost"] == long
    assert "other month" not in by_resource
    assert by_resource["late"]["ChargePeriodStart"] == "2026-08-31T23:00:00Z"
    assert json.loads(by_resource["late"]["Tags"]) == {"team": "search"}
    tokens = {row["SkuMeter"]: row for row in rows if row["ConsumedUnit"] == "Tokens"}
    assert tokens["Input Tokens"]["ConsumedQuantity"] == "1000"
    assert tokens["Input Tokens"]["PricingUnit"] == "1000000 Tokens"
    assert tokens["Input Tokens"]["PricingQuantity"] == "0.001"
    assert tokens["Output Tokens"]["BilledCost"] == "0.2"


def test_every_rule_that_focus_has_for_all_charges_holds(
    built: Warehouse, bill: Bill, tmp_path: Path
) -> None:
    commitment: Charge = {
        "PricingCategory": "Committed",
        "CommitmentDiscountId": "sp-1",
        "CommitmentDiscountCategory": "Spend",
    }
    used: Charge = {**commitment, "BilledCost": "0", "CommitmentDiscountStatus": "Used"}
    load_focus_file(
        built,
        "a",
        bill(
            {},
            {"ContractedCost": None, "Tags": None},
            {"ChargeCategory": "Tax", "PricingQuantity": None, "PricingUnit": None},
            {"ChargeClass": "Correction", "BilledCost": "-2"},
            {**commitment, "ChargeCategory": "Purchase", "BilledCost": "10", "EffectiveCost": "0"},
            {**used, "EffectiveCost": "7"},
            {**used, "EffectiveCost": "3", "CommitmentDiscountStatus": "Unused"},
        ),
    )
    built.execute(CALL)
    export(built, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == [column.name for column in columns_of("1.2")]
    assert len(rows) == 9
    for row in rows:
        assert [name for name in NEVER_NULL if not row[name]] == []
        assert row["ChargeCategory"] in CHARGE_CATEGORIES
        assert row["ChargeClass"] in {"", "Correction"}
        assert row["PricingCategory"] in {"", "Standard", "Dynamic", "Committed", "Other"}
        assert (row["PricingQuantity"] == "") == (row["PricingUnit"] == "")
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert isinstance(json.loads(row["Tags"]), dict)
    of_plan = [row for row in rows if row["CommitmentDiscountId"]]
    bought = sum(Decimal(row["BilledCost"]) for row in of_plan)
    spread = sum(Decimal(r["EffectiveCost"]) for r in of_plan if r["ChargeCategory"] == "Usage")
    assert bought == spread == 10
    # Without an agreed price the list price is the contracted one.
    assert [r["ContractedCost"] for r in rows if r["ListCost"] == "2"].count("2") == 1


def test_columns_of_1_3_stand_only_in_1_3(built: Warehouse, bill: Bill, tmp_path: Path) -> None:
    load_focus_file(built, "a", bill({"AllocatedResourceId": "pod-1"}))
    export(built, tmp_path / "old.csv")
    export(built, tmp_path / "new.csv", version="1.3")
    old, new = read(tmp_path / "old.csv")[0], read(tmp_path / "new.csv")[0]
    assert {name for name in new if name not in old} == {
        *("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId"),
        *("AllocatedResourceName", "AllocatedTags", "ContractApplied"),
        *("HostProviderName", "ServiceProviderName"),
    }
    assert (new["AllocatedResourceId"], new["HostProviderName"]) == ("pod-1", "AWS")
    with pytest.raises(InvalidInputError, match=r"--version '1\.4' is unknown"):
        export(built, tmp_path / "never.csv", version="1.4")


def test_what_was_believed_earlier_can_be_exported(
    built: Warehouse, bill: Bill, tmp_path: Path
) -> None:
    load_focus_file(built, "a", bill({"BilledCost": "1"}, {"BilledCost": "2"}))
    (now,) = built.query("SELECT clock_timestamp() AS moment")
    load_focus_file(built, "a", bill({"BilledCost": "1"}, {"BilledCost": "5"}))
    earlier = Selection(SEPTEMBER.month, as_of=now["moment"])
    assert export(built, tmp_path / "then.csv", earlier).totals["USD"]["billed_cost"] == 3
    assert export(built, tmp_path / "now.csv").totals["USD"]["billed_cost"] == 6
    before = Selection(SEPTEMBER.month, as_of=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(
        NotFoundError, match=r"no charge in the billing month 2026-09 as of 2026-01"
    ):
        export(built, tmp_path / "before.csv", before)
    assert not (tmp_path / "before.csv").exists()


def test_one_provider_alone(built: Warehouse, bill: Bill, tmp_path: Path) -> None:
    load_focus_file(built, "a", bill({}, {"ProviderName": "Google Cloud", "BilledCost": "7"}))
    built.execute(CALL)
    done = export(built, tmp_path / "gcp.csv", Selection(SEPTEMBER.month, "gcp"))
    assert (done.rows, done.totals["USD"]["billed_cost"]) == (1, 7)
    calls = export(built, tmp_path / "llm.csv", Selection(SEPTEMBER.month, "openai"))
    assert calls.totals["USD"]["billed_cost"] == Decimal("0.3")
    with pytest.raises(NotFoundError, match=r"of provider 'oci'.* from 2026-09 to 2026-09"):
        export(built, tmp_path / "oci.csv", Selection(SEPTEMBER.month, "oci"))


AMOUNT = st.decimals(
    allow_nan=False, allow_infinity=False, places=12, min_value=-(10**9), max_value=10**9
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "BilledCost": AMOUNT.map("{:f}".format),
            "EffectiveCost": AMOUNT.map("{:f}".format),
            "ListCost": AMOUNT.map("{:f}".format),
            "ContractedCost": st.none() | AMOUNT.map("{:f}".format),
            "BillingCurrency": st.sampled_from(["USD", "EUR"]),
            "ResourceName": TEXT,
            "Tags": st.dictionaries(TEXT, TEXT, max_size=3).map(json.dumps),
            "ChargeCategory": st.sampled_from(CHARGE_CATEGORIES),
        }
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_an_export_that_is_imported_again_has_the_same_totals(
    built: Warehouse, bill: Bill, tmp_path: Path, ending: str, rows: list[Charge]
) -> None:
    _only_a_rate(built)
    load_focus_file(built, "a", bill(*rows))
    first = tmp_path / f"first.{ending}"
    done = export(built, first)
    _only_a_rate(built)
    back = load_focus_file(built, "b", first)
    assert (back.accepted, back.rejected) == (done.rows, 0)
    assert back.totals_loaded == done.totals
    second = tmp_path / f"second.{ending}"
    assert export(built, second) == done
    texts: list[Any] = [sorted(_lines(first)), sorted(_lines(second))]
    assert texts[0] == texts[1]


def _only_a_rate(warehouse: Warehouse) -> None:
    warehouse.execute("TRUNCATE oco.cloud_costs, oco.ingestion_batches, oco.rejected_rows")
    warehouse.execute(
        "INSERT INTO oco.exchange_rates VALUES ('2026-09-01', 'EUR', 'USD', 1.0837, 'test') "
        "ON CONFLICT DO NOTHING"
    )


def _lines(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return [str(row) for row in pl.read_parquet(path).iter_rows()]
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return [str(row) for row in csv.reader(text.splitlines(keepends=True))]


def test_parquet_has_exact_types_and_refuses_what_it_cannot_hold(
    built: Warehouse, bill: Bill, tmp_path: Path
) -> None:
    load_focus_file(built, "a", bill({"BilledCost": "0.1234567890123456789"}))
    export(built, tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["BilledCost"].to_list() == [Decimal("0.1234567890123456789")]
    assert frame["ChargePeriodStart"].to_list() == [datetime(2026, 9, 10, tzinfo=UTC)]
    assert {kind for kind in frame.dtypes if kind.is_float()} == set()
    load_focus_file(built, "b", bill({"BilledCost": "9" * 22 + "." + "1" * 19}))
    before = (tmp_path / "out.parquet").read_bytes()
    with pytest.raises(InvalidInputError, match="BilledCost needs 22 digits before and 19 after"):
        export(built, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == before


def test_a_file_that_does_not_add_up_is_not_kept(
    built: Warehouse, bill: Bill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_focus_file(built, "a", bill({}, {"BilledCost": "3"}))
    whole = focus_file._copy

    def torn(connection: Any, path: Path, *rest: Any, **options: Any) -> None:
        whole(connection, path, *rest, **options)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    monkeypatch.setattr(focus_file, "_copy", torn)
    with pytest.raises(WarehouseError, match=r"the file has 1 rows .* the warehouse 2 .* not kept"):
        export(built, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_bad_target_or_month_is_one_clear_line(built: Warehouse, tmp_path: Path) -> None:
    for out, told in (
        (tmp_path / "out.json", "unknown ending; use one of .csv, .csv.gz, .parquet"),
        (tmp_path / "nowhere" / "out.csv", "the folder does not exist"),
    ):
        with pytest.raises(InvalidInputError, match=told):
            export(built, out)
    for text in ("2026-13", "2026", "x", "1999-01"):
        with pytest.raises(InvalidInputError, match="is not a month"):
            read_month(text)
    assert Selection(read_month("2026-12")).next_month == datetime(2027, 1, 1, tzinfo=UTC)


def oco(url: str, home: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "oco_cli", *map(str, arguments)],
        env={**os.environ, "OCO_HOME": str(home), "DATABASE_URL": url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_prints_totals_by_currency(
    built: Warehouse, bill: Bill, tmp_path: Path
) -> None:
    load_focus_file(built, "a", bill({"BilledCost": "1234.0000000000000000001"}))
    out = tmp_path / "out.csv.gz"
    arguments = ("export", "focus", "--month", "2026-09", "--out", out)
    done = oco(built.url, tmp_path / "home", *arguments)
    assert done.returncode == 0, done.stderr
    assert "billed_cost USD" in done.stdout
    assert "1234.0000000000000000001" in done.stdout
    assert len(gzip.decompress(out.read_bytes()).splitlines()) == 2
    wrong = oco(built.url, tmp_path / "home", *arguments, "--as-of", "yesterday")
    assert (wrong.returncode, wrong.stderr) == (1, "oco: 'yesterday' is not an ISO 8601 date\n")


def test_without_the_views_it_says_what_to_run(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not built by this version: run `oco dbt build`"):
        export(warehouse, tmp_path / "out.csv")
