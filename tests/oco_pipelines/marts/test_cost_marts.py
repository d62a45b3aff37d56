"""Commitments, reconciliation, restatements and unit economics; figures computed by hand."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.marts.commitment_checks import broken_commitments, unstated_commitments
from oco_pipelines.marts.mart_checks import (
    invoices_that_differ,
    large_restatements,
    mart_totals,
    mixed_currencies,
)
from oco_pipelines.showback.invoice_file import Invoice, import_invoices
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.test_cost_checks import GOOD
from tests.oco_pipelines.marts.conftest import Build, Charge

ONLY = ("--indirect-selection", "cautious", "--exclude-resource-type", "unit_test")


def build(dbt_build: Build, *models: str) -> None:
    result = dbt_build(*ONLY, "--select", *(f"+{model}" for model in models))
    assert result.returncode == 0, result.stdout


@pytest.fixture
def committed(warehouse: Warehouse, charge: Charge) -> Warehouse:
    """October over: a savings plan that holds, one that does not, one paid upfront, and a CUD."""
    last = date(2026, 10, 31)

    def commitment(name: str, **columns: object) -> None:
        columns = {"commitment_discount_id": name, "date": last} | columns
        amounts = {"billed": columns.pop("billed", "0")}
        charge(str(amounts["billed"]), **columns)

    fee = {"charge_category": "Purchase", "effective_cost": 0, "charge_frequency": "Recurring"}
    used = {"commitment_discount_status": "Used", "pricing_category": "Committed"}
    commitment("sp-1", billed="24.1", **fee)
    commitment("sp-1", effective_cost=Decimal(18), **used)
    commitment("sp-1", effective_cost=Decimal("6.1"), commitment_discount_status="Unused")
    commitment("sp-2", billed="10", **fee)
    commitment("sp-2", effective_cost=Decimal("9.999"), **used)
    commitment("ri", billed="365", **fee | {"charge_frequency": "One-Time"})
    commitment("ri", effective_cost=Decimal(31), **used)
    commitment("cud", provider="gcp", effective_cost=Decimal(5))
    charge("56", date=last, pricing_category="Standard")
    return warehouse


def test_commitments_say_what_was_used_and_what_it_covered(
    committed: Warehouse, dbt_build: Build
) -> None:
    build(dbt_build, "fct_commitment_daily", "fct_commitment_coverage_daily")
    rows = committed.query("SELECT * FROM marts.fct_commitment_daily")
    by_name = {row["commitment_id"]: row for row in rows}
    names = ("purchased_cost", "used_cost", "unused_cost", "unstated_cost", "utilization_percent")
    assert {name: tuple(row[part] for part in names) for name, row in by_name.items()} == {
        "sp-1": (Decimal("24.1"), 18, Decimal("6.1"), 0, Decimal("74.6888")),
        "sp-2": (10, Decimal("9.999"), 0, 0, 100),
        "ri": (365, 31, 0, 0, 100),
        "cud": (0, 0, 0, 5, None),
    }
    (aws,) = committed.query(
        "SELECT * FROM marts.fct_commitment_coverage_daily WHERE provider = 'aws'"
    )
    assert aws["covered_cost_usd"] == Decimal("58.999")  # 18 + 9.999 + 31
    assert aws["eligible_cost_usd"] == Decimal("114.999")
    assert aws["coverage_percent"] == Decimal("51.3039")
    assert broken_commitments(committed) == [
        "aws sp-2 in 2026-10: paid 10, used 9.999 + unused 0 USD"
    ]
    assert unstated_commitments(committed) == [
        "aws: 1 of 3 commitment periods were paid upfront, so that only their term adds up",
        "gcp: 1 of 1 commitment periods have cost that does not say whether it was used",
    ]


def test_a_month_that_goes_on_breaks_no_commitment(
    warehouse: Warehouse, charge: Charge, dbt_build: Build
) -> None:
    charge(
        "31",
        commitment_discount_id="sp",
        charge_category="Purchase",
        effective_cost=0,
        charge_frequency="Recurring",
    )
    charge(
        "0",
        commitment_discount_id="sp",
        commitment_discount_status="Used",
        effective_cost=Decimal(1),
    )
    build(dbt_build, "int_cloud_cost_cells")
    assert broken_commitments(warehouse) == []
    assert unstated_commitments(warehouse) == []


def test_bills_are_held_against_invoices(
    warehouse: Warehouse, charge: Charge, dbt_build: Build
) -> None:
    charge("10.004", invoice_id="I-1")
    charge("2.3", invoice_id="I-1", effective_cost=99)  # invoices sum billed cost
    charge("5", invoice_id="I-2")
    charge("1")
    charge("3", provider="gcp", billing_currency="EUR", usd_rate="1.1")
    charge("4", provider="gcp", billing_currency="EUR", usd_rate="1.1", date=date(2026, 9, 30))
    october = date(2026, 10, 1)
    stated = [
        Invoice("aws", "1", "I-1", october, "USD", Decimal("12.30")),
        Invoice("aws", "1", "I-2", october, "USD", Decimal("5.01")),
        Invoice("gcp", "1", "none", october, "EUR", Decimal(3)),
        Invoice("aws", "1", "I-3", october, "USD", Decimal(7)),
    ]
    assert import_invoices(warehouse, stated) == 4
    assert import_invoices(warehouse, stated) == 0
    build(dbt_build, "fct_reconciliation")
    rows = warehouse.query(
        "SELECT provider, invoice_id, billing_period, billed_cost, stated_total, difference, "
        "status, charges_without_invoice_id AS loose FROM marts.fct_reconciliation "
        "ORDER BY provider, invoice_id, billing_period"
    )
    assert [tuple(row.values())[1:] for row in rows] == [
        ("I-1", october, Decimal("12.304"), Decimal("12.3"), Decimal("0.004"), "matched", 1),
        ("I-2", october, 5, Decimal("5.01"), Decimal("-0.01"), "differs", 1),
        ("I-3", october, 0, 7, -7, "differs", 1),
        ("none", october, 1, None, None, "open", 1),
        ("none", date(2026, 9, 1), 4, None, None, "open", 1),
        ("none", october, 3, 3, 0, "matched", 1),
    ]
    assert invoices_that_differ(warehouse) == [
        "aws invoice I-2 of 2026-10: bills 5, invoice 5.01 USD, 1 charges name no invoice",
        "aws invoice I-3 of 2026-10: bills 0, invoice 7 USD, 1 charges name no invoice",
    ]


def focus(path: Path, *costs: tuple[str, str]) -> Path:
    """A FOCUS file of charges (day of September, cost)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(GOOD))
    writer.writeheader()
    for day, cost in costs:
        start, end = f"2026-09-{day}T00:00:00Z", f"2026-09-{int(day) + 1:02}T00:00:00Z"
        amounts = {"BilledCost": cost, "EffectiveCost": cost}
        writer.writerow(GOOD | amounts | {"ChargePeriodStart": start, "ChargePeriodEnd": end})
    path.write_text(text.getvalue())
    return path


def test_what_a_load_changed_is_kept_and_a_large_change_is_warned_of(
    warehouse: Warehouse, tmp_path: Path, dbt_build: Build
) -> None:
    path = tmp_path / "bill.csv"
    first = load_focus_file(warehouse, "bill", focus(path, ("03", "6"), ("03", "94"), ("04", "1")))
    second = load_focus_file(warehouse, "bill", focus(path, ("03", "6"), ("03", "98"), ("05", "9")))
    build(dbt_build, "fct_restatements")
    rows = warehouse.query(
        "SELECT load_id, extract(day FROM usage_date)::int AS day, billed_before, billed_after, "
        "billed_difference, rows_before, rows_after, rows_inserted, rows_closed, is_restatement "
        "FROM marts.fct_restatements ORDER BY believed_from, usage_date"
    )
    assert [tuple(row.values()) for row in rows] == [
        (first.batch_id, 3, 0, 100, 100, 0, 2, 2, 0, False),
        (first.batch_id, 4, 0, 1, 1, 0, 1, 1, 0, False),
        (second.batch_id, 3, 100, 104, 4, 2, 2, 1, 1, True),
        (second.batch_id, 4, 1, 0, -1, 1, 0, 0, 1, True),
        (second.batch_id, 5, 0, 9, 9, 0, 1, 1, 0, False),
    ]
    # 4 up and 1 down, of 101; the new day is no restatement.
    (line,) = large_restatements(warehouse, Decimal("4.9"))
    assert line.startswith("bill: aws changed billed cost by 5.0 %")
    assert large_restatements(warehouse, Decimal(5)) == []
    believed = warehouse.query(
        "SELECT sum(billed_cost) AS usd FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    shown = warehouse.query("SELECT sum(billed_difference) AS usd FROM marts.fct_restatements")
    assert shown == believed


def test_unit_costs_and_dimensions_of_a_day(
    warehouse: Warehouse, charge: Charge, dbt_build: Build
) -> None:
    charge("8", tags={"team": "search"}, sub_account_name="prod")
    charge("2", date=date(2026, 10, 31))
    warehouse.execute("INSERT INTO oco.organizations (id, name) VALUES ('o', 'O')")
    warehouse.execute("INSERT INTO oco.teams VALUES ('ads', 'Advertising', 'o')")
    for name, team, tags, cost in (
        ("a", "search", "{}", "2"),
        ("b", "ads", "{}", None),
        ("c", None, '{"owner-team": " data "}', "3"),
    ):
        warehouse.execute(
            "INSERT INTO oco.api_requests (id, provider, model, team_id, agent_id, input_tokens, "
            "output_tokens, total_tokens, cost_usd, input_cost_usd, output_cost_usd, cost_status, "
            "status_code, tags, \"timestamp\") VALUES (%(id)s, 'openai', 'm', %(team)s, 'bot', "
            "400, 100, 500, %(cost)s, %(cost)s, %(cost)s::numeric * 0, %(known)s, 200, %(tags)s, "
            "'2026-10-05 10:30Z')",
            {
                "id": name,
                "team": team,
                "cost": cost,
                "known": "exact" if cost else "unpriced",
                "tags": tags,
            },
        )
    build(
        dbt_build, "fct_unit_economics_daily", "dim_date", "dim_account", "dim_service", "dim_team"
    )
    rows = warehouse.query(
        "SELECT level || ' ' || entity AS who, llm_cost_per_1k_requests_usd AS requests, "
        "llm_cost_per_1m_tokens_usd AS tokens, platform_cost_per_1k_requests_usd AS platform "
        "FROM marts.fct_unit_economics_daily WHERE usage_date = '2026-10-05'"
    )
    assert {row.pop("who"): tuple(row.values()) for row in rows} == {
        "all all": (2500, 5000, 6500),  # 5 of calls and 8 of a cloud, over two calls
        "team search": (2000, 4000, 10000),
        "team ads": (None, None, None),
        "team data": (3000, 6000, 3000),  # by the tag, as in every other mart
        "agent bot": (2500, 5000, None),
        "model openai/m": (2500, 5000, None),
    }
    (days,) = warehouse.query(
        "SELECT count(*) AS n, max(days_in_month) AS longest, "
        "count(*) FILTER (WHERE is_weekend) AS weekend FROM marts.dim_date"
    )
    assert days == {"n": 27, "longest": 31, "weekend": 7}
    (account,) = warehouse.query("SELECT * FROM marts.dim_account")
    assert (account["account_id"], account["name"]) == ("111", "prod")
    services = warehouse.query("SELECT service FROM marts.dim_service ORDER BY 1")
    assert [row["service"] for row in services] == ["Amazon EC2", "OpenAI API"]
    teams = warehouse.query("SELECT team, name, is_registered FROM marts.dim_team ORDER BY 1")
    assert [tuple(row.values()) for row in teams] == [
        ("ads", "Advertising", True),
        ("data", "data", False),
        ("search", "search", False),
    ]


def test_marts_that_lose_or_mix_money_are_found(
    warehouse: Warehouse, charge: Charge, dbt_build: Build
) -> None:
    charge("10", effective_cost=7)
    charge("3", provider="gcp", billing_currency="EUR", usd_rate="1.1", date=date(2026, 9, 2))
    build(dbt_build, "fct_showback_month", "fct_cost_daily")
    assert mart_totals(warehouse) == []
    assert mixed_currencies(warehouse) == []
    warehouse.execute(
        "UPDATE marts.fct_showback_month SET effective_cost_usd = 7.01 WHERE provider = 'aws'"
    )
    warehouse.execute("DELETE FROM marts.fct_cost_daily WHERE provider = 'gcp'")
    warehouse.execute("CREATE TABLE marts.fct_new AS SELECT 1::numeric AS cost")
    assert mart_totals(warehouse) == [
        "fct_cost_daily: gcp 2026-09 USD: billed 0 of 3.3, effective 0 of 3.3",
        "fct_showback_month: aws 2026-10 USD: billed 0 of 0, effective 7.01 of 7",
    ]
    assert mixed_currencies(warehouse) == ["fct_new.cost does not say its currency"]


def test_days_without_use_are_found_and_long_charges_fill_them(
    warehouse: Warehouse, charge: Charge
) -> None:
    from oco_pipelines.ingestion.cost_checks import gaps

    charge(date=date(2026, 10, 1))
    charge(date=date(2026, 10, 2), charge_period_end=datetime(2026, 10, 5, tzinfo=UTC))
    charge(date=date(2026, 10, 8), charge_category="Tax")  # a tax is no use
    charge(date=date(2026, 10, 9))
    charge(date=date(2026, 10, 30), provider="gcp")
    charge(date=date(2026, 11, 30), valid_to=datetime(2026, 12, 1, tzinfo=UTC))
    assert gaps(warehouse) == ["aws account 1 (focus_files): nothing from 2026-10-05 to 2026-10-08"]
