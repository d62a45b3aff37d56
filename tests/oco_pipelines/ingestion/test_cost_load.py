import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion import cost_checks
from oco_pipelines.ingestion.cost_batch import Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import SourceTable, read_focus
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidFileError, InvalidInputError, WarehouseError

Charge = dict[str, str | None]
MakeCharge = Callable[..., Charge]
MakeCsv = Callable[..., Path]
MakeFile = Callable[[bytes], Path]


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
    first = load_focus_file(warehouse, "a.csv", content)
    second = load_focus_file(warehouse, "a.csv", content)
    assert (first.status, first.inserted) == ("loaded", 3)
    assert (second.status, second.inserted, second.closed) == ("unchanged", 0, 0)
    assert billed(warehouse) == Decimal("4.5")


def test_a_file_that_is_written_to_while_it_is_read_is_refused_whole(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    path = make_csv(make_charge())

    def read(name: str, path: Path, ignore: Collection[str]) -> Iterator[SourceTable]:
        yield from read_focus(name, path, ignore)
        path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(InvalidFileError, match=r"^a\.csv: .* was changed while it was read"):
        load_focus_file(warehouse, "a.csv", path, read=read)
    assert current(warehouse) == []


def test_a_restated_file_replaces_its_rows_and_what_was_believed_can_still_be_asked(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    kept, changed, gone = (make_charge(ResourceId=f"i-{n}") for n in "123")
    load_focus_file(warehouse, "a.csv", make_csv(kept, changed, gone))
    before = datetime.now(UTC)
    restated = {**changed, "BilledCost": "9"}
    result = load_focus_file(warehouse, "a.csv", make_csv(kept, restated))
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


def test_a_file_that_was_replaced_does_not_come_back_by_itself(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    first = make_csv(make_charge(ResourceId="i-1"))
    load_focus_file(warehouse, "a.csv", first)
    load_focus_file(warehouse, "b.csv", make_csv(make_charge(ResourceId="i-2")), replaces=["a.csv"])
    load_focus_file(warehouse, "c.csv", make_csv(make_charge(ResourceId="i-3")), replaces=["b.csv"])
    with pytest.raises(ConflictError, match=r"^a\.csv: 'c\.csv' took its place"):
        load_focus_file(warehouse, "a.csv", first)
    assert [row["resource_id"] for row in current(warehouse)] == ["i-3"]
    load_focus_file(warehouse, "a.csv", first, replaces=["c.csv"])
    assert [row["resource_id"] for row in current(warehouse)] == ["i-1"]
    assert load_focus_file(warehouse, "a.csv", first).status == "unchanged"


@pytest.mark.parametrize(
    "changes", [{"InvoiceId": "I-1"}, {"Tags": '{"team": "ads"}'}, {"SubAccountName": "Shop"}]
)
def test_a_bill_that_was_delivered_again_with_more_in_it_is_not_loaded_beside_itself(
    warehouse: Warehouse,
    make_charge: MakeCharge,
    make_csv: MakeCsv,
    changes: dict[str, str],
) -> None:
    charges = [make_charge(ResourceId=f"i-{n}") for n in range(4)]
    load_focus_file(warehouse, "open.csv", make_csv(*charges))
    final = make_csv(*(charge | changes for charge in charges))
    with pytest.raises(ConflictError, match=r"^final\.csv: .*loaded already from 'open\.csv'"):
        load_focus_file(warehouse, "final.csv", final)
    assert billed(warehouse) == Decimal(6)
    load_focus_file(warehouse, "final.csv", final, replaces=["open.csv"])
    assert billed(warehouse) == Decimal(6)


def test_charges_that_cost_nothing_make_no_bill_another(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    free = {"BilledCost": "0", "EffectiveCost": "0"}
    for team in ("a", "b"):
        rows = [make_charge(**free, Tags=f'{{"team": "{team}"}}', SkuId=str(n)) for n in range(4)]
        rows.append(make_charge(ResourceId=f"i-{team}"))
        load_focus_file(warehouse, f"{team}.csv", make_csv(*rows))
    assert billed(warehouse) == Decimal(3)


def test_identical_rows_are_told_apart_by_their_occurrence(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    rows = make_csv(make_charge(), make_charge(), make_charge(BilledCost="2"))
    load_focus_file(warehouse, "a.csv", rows)
    kept = warehouse.query("SELECT row_hash, occurrence FROM oco.cloud_costs ORDER BY billed_cost")
    assert [row["occurrence"] for row in kept] in ([1, 2, 1], [2, 1, 1])
    assert kept[0]["row_hash"] == kept[1]["row_hash"] != kept[2]["row_hash"]


def test_rejected_rows_are_kept_and_the_rest_is_loaded(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    content = make_csv(make_charge(), make_charge(ChargeCategory="Fee", BilledCost="7"))
    result = load_focus_file(warehouse, "a.csv", content)
    rows = warehouse.query("SELECT row_number, reason, raw FROM oco.rejected_rows")
    assert [(row["row_number"], row["raw"]["BilledCost"]) for row in rows] == [(2, "7")]
    assert "ChargeCategory 'Fee'" in rows[0]["reason"]
    batch = warehouse.query("SELECT * FROM oco.ingestion_batches WHERE status = 'loaded'")[0]
    assert (batch["rows_source"], batch["rows_accepted"], batch["rows_rejected"]) == (2, 1, 1)
    assert batch["totals_source"]["USD"]["billed_cost"] == "8.5"
    assert billed(warehouse) == Decimal("1.5") == result.totals_loaded["USD"]["billed_cost"]


def test_a_file_of_which_nothing_can_be_loaded_changes_nothing_and_is_remembered(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv, make_file: MakeFile
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge()))
    with pytest.raises(InvalidInputError, match="every row was rejected"):
        load_focus_file(warehouse, "a.csv", make_csv(make_charge(BilledCost="x")))
    with pytest.raises(InvalidFileError, match="no FOCUS export"):
        load_focus_file(warehouse, "a.csv", make_file(b"a,b\n1,2\n"))
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
        results = list(pool.map(lambda _: load_focus_file(warehouse, "a.csv", content), range(4)))
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
    result = load_focus_file(warehouse, "a.csv", content)
    assert (result.status, result.inserted, result.closed) == ("loaded", 2, 2)
    assert [row["cost_usd"] for row in current(warehouse)] == [Decimal("4.5")] * 2
    result = load_focus_file(warehouse, "a.csv", content)
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
    warehouse.execute("ALTER TABLE oco.cloud_costs ADD CHECK (resource_id <> 'not-here')")
    with pytest.raises(WarehouseError, match=r"^a\.csv: PostgreSQL refused the load: .*check"):
        load_focus_file(warehouse, "a.csv", make_csv(make_charge(ResourceId="not-here")))
    [batch] = warehouse.query("SELECT status, error FROM oco.ingestion_batches")
    assert batch["status"] == "failed" and "check" in batch["error"]


def test_a_name_of_any_length_is_loaded(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    # Too long, and too random to be compressed, for an index.
    long = "".join(sha256(bytes([n])).hexdigest() for n in range(200))
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(ResourceId=long)))
    [row] = warehouse.query("SELECT resource_id FROM oco.cloud_costs")
    assert row["resource_id"] == long


def read_small(name: str, path: Path, ignore: Collection[str]) -> Iterator[SourceTable]:
    """A file in blocks of a few rows each."""
    return read_focus(name, path, ignore, block_bytes=1500)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=25), min_size=1, max_size=4))
def test_identical_rows_are_counted_over_all_parts_of_a_file(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv, history: list[list[int]]
) -> None:
    for numbers in history:
        rows = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in numbers))
        result = load_focus_file(warehouse, "a.csv", rows, read=read_small)
        assert result.accepted == len(numbers)
    kept = warehouse.query(
        "SELECT resource_id, occurrence FROM oco.cloud_costs WHERE valid_to IS NULL ORDER BY 1, 2"
    )
    expected = [
        (f"i-{n}", occurrence)
        for n, times in sorted(Counter(history[-1]).items())
        for occurrence in range(1, times + 1)
    ]
    assert [(row["resource_id"], row["occurrence"]) for row in kept] == expected
    assert cost_checks.control_totals(warehouse) == []


def test_rows_of_a_release_before_stay_when_their_file_is_read_anew(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    charges = [make_charge(), make_charge(), make_charge(ResourceId="i-2", BilledCost="1.50")]
    load_focus_file(warehouse, "a.csv", make_csv(*charges))
    # Written down from the release before this way of loading.
    old = {
        "i-1": "ff8432d3c74317d07f3aeff7fc189d7080072bbf8cdfbbcda5f1140317c620d9",
        "i-2": "48ba54580d07faed03d5c1822cad5d6cfeded7faef3227270e6a1c722eb0641f",
    }
    kept = warehouse.query("SELECT resource_id, row_hash FROM oco.cloud_costs")
    assert {row["resource_id"]: row["row_hash"].hex() for row in kept} == old
    warehouse.execute("UPDATE oco.ingestion_batches SET reader_version = NULL")
    again = load_focus_file(warehouse, "a.csv", make_csv(*charges))
    assert (again.status, again.inserted, again.closed) == ("loaded", 0, 0)
    assert billed(warehouse) == Decimal("4.5")


def test_rows_with_other_hashes_are_replaced_and_never_doubled(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    charges = [make_charge(), make_charge(), make_charge(ResourceId="i-2")]
    load_focus_file(warehouse, "a.csv", make_csv(*charges))
    warehouse.execute(
        "UPDATE oco.cloud_costs SET row_hash = sha256(row_hash); "
        "UPDATE oco.ingestion_batches SET reader_version = NULL"
    )
    again = load_focus_file(warehouse, "a.csv", make_csv(*charges))
    assert (again.inserted, again.closed) == (3, 3)
    assert billed(warehouse) == Decimal("4.5")


def test_a_load_that_dies_in_the_middle_leaves_what_was_believed(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(*(make_charge(ResourceId=f"{n}") for n in "12")))
    before = current(warehouse)

    def dying(name: str, path: Path, ignore: Collection[str]) -> Iterator[SourceTable]:
        yield from islice(read_small(name, path, ignore), 2)
        raise KeyboardInterrupt

    longer = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in range(40)))
    with pytest.raises(KeyboardInterrupt):
        load_focus_file(warehouse, "a.csv", longer, read=dying)
    assert current(warehouse) == before
    load_focus_file(warehouse, "a.csv", longer, read=read_small)
    assert billed(warehouse) == Decimal(60)


def test_damage_late_in_a_file_changes_nothing_and_is_remembered(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv, make_file: MakeFile
) -> None:
    good = make_csv(*(make_charge(ResourceId=f"i-{n}") for n in range(40)))
    damaged = make_file(good.read_bytes() + b',"broken')
    with pytest.raises(InvalidFileError, match=r"^a\.csv: row 41 has 2 fields"):
        load_focus_file(warehouse, "a.csv", damaged, read=read_small)
    assert current(warehouse) == []
    [batch] = warehouse.query("SELECT status, error FROM oco.ingestion_batches")
    assert batch["status"] == "failed" and "damaged" in batch["error"]


def test_characters_that_copy_and_json_escape_arrive_as_they_are(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    odd = 'a\\N\tb\nc "d" \\. \x01 é😀'
    tags = json.dumps({"k\t": 'v "x" \\ \n'})
    load_focus_file(
        warehouse, "a.csv", make_csv(make_charge(ResourceName=odd, Tags=tags), make_charge())
    )
    rows = warehouse.query("SELECT resource_name, tags FROM oco.cloud_costs ORDER BY 1")
    assert rows[0] == {"resource_name": odd, "tags": json.loads(tags)}


def test_every_month_of_a_file_gets_its_partition(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    charges = [
        make_charge(ChargePeriodStart=f"{year}-05-01", ChargePeriodEnd=f"{year}-05-02")
        for year in (2017, 2018)
        for _ in range(20)
    ]
    load_focus_file(warehouse, "a.csv", make_csv(*charges), read=read_small)
    where = warehouse.query("SELECT DISTINCT tableoid::regclass::text AS name FROM oco.cloud_costs")
    assert {row["name"] for row in where} == {
        "oco.cloud_costs_p2017_05",
        "oco.cloud_costs_p2018_05",
    }
    assert billed(warehouse) == Decimal(60)


def test_a_partition_of_which_nothing_is_left_is_closed(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    day = make_csv(make_charge(), make_charge(ResourceId="i-2"))
    rows = [normalise(table) for table in read_focus("day", day)]
    load(warehouse, rows, Origin("api", "main|2026-09-10", "first"))
    nothing = Origin("api", "main|2026-09-10", "second")
    with pytest.raises(InvalidInputError, match="there are no rows"):
        load(warehouse, [], nothing)
    assert billed(warehouse) == Decimal(3)
    done = load(warehouse, [], nothing, may_be_empty=True)
    assert (done.closed, done.totals_loaded) == (2, {})
    assert load(warehouse, [], nothing, may_be_empty=True).status == "unchanged"
    assert billed(warehouse) == 0
    assert cost_checks.control_totals(warehouse) == []
    back = load(warehouse, rows, Origin("api", "main|2026-09-10", "first"))
    assert (back.inserted, billed(warehouse)) == (2, Decimal(3))


def test_an_estimate_becomes_final_without_a_new_row(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    def flags() -> list[dict[str, Any]]:
        return warehouse.query("SELECT estimated, valid_to IS NULL AS held FROM oco.cloud_costs")

    rows = [normalise(table) for table in read_focus("day", make_csv(make_charge()))]
    load(warehouse, rows, Origin("api", "main|day", "same", estimated=True))
    assert flags() == [{"estimated": True, "held": True}]
    final = load(warehouse, rows, Origin("api", "main|day", "same"))
    assert (final.status, flags()) == ("unchanged", [{"estimated": False, "held": True}])
    load(warehouse, rows, Origin("api", "main|day", "other bytes", estimated=True))
    assert flags() == [{"estimated": True, "held": True}]
