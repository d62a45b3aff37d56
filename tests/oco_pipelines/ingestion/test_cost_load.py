from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidFileError, InvalidInputError, WarehouseError

Charge = dict[str, str | None]
MakeCharge = Callable[..., Charge]
MakeCsv = Callable[..., bytes]


def current(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query(
        "SELECT billed_cost, resource_id, cost_usd FROM oco.cloud_costs WHERE valid_to IS NULL "
        "ORDER BY resource_id, billed_cost"
    )


def billed(warehouse: Warehouse) -> Decimal:
    total = warehouse.query(
        "SELECT coalesce(sum(billed_cost), 0) AS total FROM oco.cloud_costs WHERE valid_to IS NULL"
    )[0]["total"]
    assert isinstance(total, Decimal)
    return total


def test_loading_a_file_again_changes_nothing(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(make_charge(), make_charge(), make_charge(ResourceId="i-2"))
    _, first = load_focus_file(warehouse, "a.csv", content)
    _, second = load_focus_file(warehouse, "a.csv", content)
    assert (first.status, first.inserted) == ("loaded", 3)
    assert (second.status, second.inserted, second.closed) == ("unchanged", 0, 0)
    assert billed(warehouse) == Decimal("4.5")


def test_a_restated_file_replaces_its_rows_and_what_was_believed_can_still_be_asked(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    kept, changed, gone = (make_charge(ResourceId=f"i-{n}") for n in "123")
    load_focus_file(warehouse, "a.csv", make_csv(kept, changed, gone))
    before = datetime.now(UTC)
    restated = {**changed, "BilledCost": "9"}
    _, result = load_focus_file(warehouse, "a.csv", make_csv(kept, restated))
    assert (result.inserted, result.closed) == (1, 2)
    assert [row["billed_cost"] for row in current(warehouse)] == [Decimal("1.5"), Decimal(9)]
    believed = warehouse.query(
        "SELECT sum(billed_cost) AS total FROM oco.cloud_costs "
        "WHERE valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)",
        [before, before],
    )
    assert believed == [{"total": Decimal("4.5")}]


def test_a_file_touches_no_other_partition(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(ResourceId="i-1")))
    load_focus_file(warehouse, "b.csv", make_csv(make_charge(ResourceId="i-2")))
    load_focus_file(warehouse, "b.csv", make_csv(make_charge(ResourceId="i-3")))
    assert [row["resource_id"] for row in current(warehouse)] == ["i-1", "i-3"]


def test_the_same_charges_under_another_name_are_refused_unless_they_replace_the_first(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in range(4)))
    load_focus_file(warehouse, "a.csv", content)
    with pytest.raises(ConflictError, match=r"4 of its 4 different charges .*'a.csv'"):
        load_focus_file(warehouse, "b.csv", content)
    assert billed(warehouse) == Decimal(6)
    load_focus_file(warehouse, "b.csv", content, replaces=["a.csv"])
    assert billed(warehouse) == Decimal(6)


def test_rejected_rows_are_kept_and_the_rest_is_loaded(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(make_charge(), make_charge(ChargeCategory="Fee", BilledCost="7"))
    _, result = load_focus_file(warehouse, "a.csv", content)
    rows = warehouse.query("SELECT row_number, reason, raw FROM oco.rejected_rows")
    assert [(row["row_number"], row["raw"]["BilledCost"]) for row in rows] == [(2, "7")]
    assert "ChargeCategory 'Fee'" in rows[0]["reason"]
    batch = warehouse.query("SELECT * FROM oco.ingestion_batches WHERE status = 'loaded'")[0]
    assert (batch["rows_source"], batch["rows_accepted"], batch["rows_rejected"]) == (2, 1, 1)
    assert batch["totals_source"]["USD"]["billed_cost"] == "8.5"
    assert billed(warehouse) == Decimal("1.5") == result.totals_loaded["USD"]["billed_cost"]


def test_a_file_of_which_nothing_can_be_loaded_changes_nothing_and_is_remembered(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge()))
    with pytest.raises(InvalidInputError, match="every row was rejected"):
        load_focus_file(warehouse, "a.csv", make_csv(make_charge(BilledCost="x")))
    with pytest.raises(InvalidFileError, match="unknown column"):
        load_focus_file(warehouse, "a.csv", b"a,b\n1,2\n")
    assert billed(warehouse) == Decimal("1.5")
    failed = warehouse.query("SELECT error FROM oco.ingestion_batches WHERE status = 'failed'")
    assert len(failed) == 2


def test_a_foreign_currency_is_converted_by_its_month_and_never_guessed(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(make_charge(BillingCurrency="EUR", BilledCost="0.10000000000000000001"))
    with pytest.raises(InvalidInputError, match="no exchange rate to USD for EUR in 2026-09"):
        load_focus_file(warehouse, "a.csv", content)
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "VALUES ('2026-09-01', 'EUR', 1.12345678901234567890, 'test')"
    )
    load_focus_file(warehouse, "a.csv", content)
    expected = Decimal("0.112345678901234567901234567890123456789")
    assert [row["cost_usd"] for row in current(warehouse)] == [expected]


def test_two_loads_of_one_file_at_once_load_it_once(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in range(50)))
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda _: load_focus_file(warehouse, "a.csv", content)[1], range(4))
        )
    assert sorted(result.status for result in results) == ["loaded", *["unchanged"] * 3]
    assert billed(warehouse) == Decimal(75)


def test_a_charge_of_a_month_without_a_partition_gets_one(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    old = make_charge(ChargePeriodStart="2019-05-01", ChargePeriodEnd="2019-05-02")
    load_focus_file(warehouse, "a.csv", make_csv(old))
    where = warehouse.query("SELECT tableoid::regclass::text AS name FROM oco.cloud_costs")
    assert where == [{"name": "oco.cloud_costs_p2019_05"}]


versions = st.lists(st.integers(min_value=0, max_value=6), min_size=1, max_size=8)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(versions, min_size=1, max_size=4))
def test_after_any_history_the_newest_version_is_what_is_believed(
    warehouse: Warehouse,
    make_charge: MakeCharge,
    make_csv: MakeCsv,
    history: list[list[int]],
) -> None:
    for numbers in history:
        content = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in numbers))
        load_focus_file(warehouse, "a.csv", content)
    expected = sorted(f"i-{n}" for n in history[-1])
    assert [row["resource_id"] for row in current(warehouse)] == expected


def set_rate(warehouse: Warehouse, rate: str) -> None:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, rate, source) "
        "VALUES ('2026-09-01', 'EUR', %s, 'test') "
        "ON CONFLICT (from_currency, to_currency, month) DO UPDATE SET rate = excluded.rate",
        [rate],
    )


def test_a_corrected_exchange_rate_arrives_with_the_next_load_of_the_same_file(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(*(make_charge(BillingCurrency="EUR", ResourceId=f"i-{n}") for n in "12"))
    set_rate(warehouse, "2")
    load_focus_file(warehouse, "a.csv", content)
    set_rate(warehouse, "3")
    _, result = load_focus_file(warehouse, "a.csv", content)
    assert (result.status, result.inserted, result.closed) == ("loaded", 2, 2)
    assert [row["cost_usd"] for row in current(warehouse)] == [Decimal("4.5")] * 2
    _, result = load_focus_file(warehouse, "a.csv", content)
    assert (result.status, result.inserted, result.closed) == ("unchanged", 0, 0)


def test_a_restatement_after_a_corrected_rate_holds_one_rate_only(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    first, second = (make_charge(BillingCurrency="EUR", ResourceId=f"i-{n}") for n in "12")
    set_rate(warehouse, "2")
    load_focus_file(warehouse, "a.csv", make_csv(first))
    set_rate(warehouse, "3")
    load_focus_file(warehouse, "a.csv", make_csv(first, second))
    assert [row["cost_usd"] for row in current(warehouse)] == [Decimal("4.5")] * 2
    assert cost_checks.currencies(warehouse) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ServiceName", "E\0C2"),
        ("BillingCurrency", "U\0D"),
        ("BilledCost", "1\0"),
        ("Tags", '{"team": "\\u0000"}'),
        ("Tags", '{"\\ud800": "x"}'),
    ],
)
def test_a_row_with_a_character_that_cannot_be_kept_is_rejected_and_the_rest_is_loaded(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv, name: str, value: str
) -> None:
    content = make_csv(make_charge(), make_charge(**{name: value}))
    load_focus_file(warehouse, "a.csv", content)
    [row] = warehouse.query("SELECT row_number, reason, raw FROM oco.rejected_rows")
    assert row["row_number"] == 2 and row["reason"].startswith(name)
    assert row["raw"][name] == value.replace("\0", "␀")
    assert billed(warehouse) == Decimal("1.5")


def test_what_postgresql_refuses_is_one_line_that_names_the_file_and_is_remembered(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    # Too long, and too random to be compressed, for the index over resources.
    long = "".join(sha256(bytes([n])).hexdigest() for n in range(200))
    with pytest.raises(WarehouseError, match=r"^a\.csv: PostgreSQL refused the load: .*index"):
        load_focus_file(warehouse, "a.csv", make_csv(make_charge(ResourceId=long)))
    [batch] = warehouse.query("SELECT status, error FROM oco.ingestion_batches")
    assert batch["status"] == "failed" and "index" in batch["error"]
