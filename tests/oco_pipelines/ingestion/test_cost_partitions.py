"""What partitions add up to: always what their charges do, and it tells doubles as those would."""

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from oco_pipelines.ingestion.cost_batch import Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.cost_overlap import add_up_alike, are_of_one_time, refuse_same_bill
from oco_pipelines.ingestion.focus_file import SOURCE, load_focus_file
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import read_focus
from oco_pipelines.ingestion.hand_loads import withdraw
from oco_pipelines.maintenance.partitions import maintain_partitions
from oco_warehouse.database import Connection, Warehouse
from oco_warehouse.errors import ConflictError

Make = Callable[..., Path]
MakeCharge = Callable[..., dict[str, str | None]]
JULY = {"BillingPeriodStart": "2026-07-01T00:00:00Z", "BillingPeriodEnd": "2026-08-01T00:00:00Z"}


def differences(warehouse: Warehouse) -> list[dict[str, object]]:
    """Rows that only one of the two has: what is kept, and what charges add up to."""
    return warehouse.query("""
        WITH counted AS (
            SELECT source, source_partition, date, provider, billing_account_id, account_id,
                   billing_period_start, billing_currency, count(*), sum(billed_cost)
            FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        )
        (TABLE counted EXCEPT ALL TABLE oco.cloud_cost_partition_days)
        UNION ALL (TABLE oco.cloud_cost_partition_days EXCEPT ALL TABLE counted)
    """)


def test_what_is_kept_follows_every_way_in_which_charges_change(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: Make
) -> None:
    warehouse.execute(
        "INSERT INTO oco.exchange_rates (month, from_currency, to_currency, rate, source) "
        "VALUES ('2026-09-01', 'EUR', 'USD', 1.1, 'test')"
    )
    day = {"ChargePeriodStart": "2026-09-12T00:00:00Z", "ChargePeriodEnd": "2026-09-13T00:00:00Z"}
    euros = make_charge(BillingCurrency="EUR", SubAccountId=None)
    first = make_csv(make_charge(), make_charge(), make_charge(**day), euros)
    load_focus_file(warehouse, "a.csv", first)
    assert differences(warehouse) == []
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(), make_charge(BilledCost="7"), euros))
    assert differences(warehouse) == []
    warehouse.execute("UPDATE oco.exchange_rates SET rate = 1.2")
    load_focus_file(warehouse, "a.csv", first)
    load_focus_file(warehouse, "b.csv", make_csv(make_charge(**day)), replaces=["a.csv"])
    load_focus_file(warehouse, "c.csv", make_csv(make_charge(ResourceId="i-2")))
    assert differences(warehouse) == []
    withdraw(warehouse, "c.csv")
    assert differences(warehouse) == []
    kept = warehouse.query("SELECT source_partition FROM oco.cloud_cost_partition_days")
    assert kept == [{"source_partition": "b.csv"}]


def test_a_load_that_fails_leaves_what_is_kept_as_it_was(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: Make
) -> None:
    load_focus_file(warehouse, "a.csv", make_csv(make_charge()))
    with pytest.raises(ConflictError, match="money would count twice"):
        load_focus_file(warehouse, "b.csv", make_csv(make_charge()))
    assert differences(warehouse) == []


def test_retention_forgets_what_partitions_added_up_to(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: Make
) -> None:
    july = {"ChargePeriodStart": "2026-07-31T00:00:00Z", "ChargePeriodEnd": "2026-08-01T00:00:00Z"}
    load_focus_file(warehouse, "a.csv", make_csv(make_charge(**JULY, **july), make_charge()))
    maintain_partitions(warehouse, date(2026, 10, 7), 1)
    assert differences(warehouse) == []
    assert warehouse.query("SELECT DISTINCT date FROM oco.cloud_cost_partition_days") == [
        {"date": date(2026, 9, 10)}
    ]


def test_charges_that_are_an_estimate_are_written_once(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: Make
) -> None:
    tables = read_focus("a.csv", make_csv(make_charge(), make_charge(), make_charge(SkuId="other")))
    load(warehouse, map(normalise, tables), Origin(SOURCE, "a.csv", "0", estimated=True))
    rows = warehouse.query(
        "SELECT bool_and(estimated) AS estimated, count(*) AS charges, "
        "max((ctid::text::point)[1]) AS places FROM oco.cloud_costs"
    )
    assert rows == [{"estimated": True, "charges": 3, "places": 3}]


# The judgement by the charges themselves, as it was before their sums were kept.

SAME = (
    "hash_record_extended(ROW(date, billing_account_id, account_id, resource_id, service, sku_id, "
    "charge_category, charge_class, charge_period_start, charge_period_end, billing_currency, "
    "billed_cost, effective_cost, usage_quantity, commitment_discount_id), 0)"
)


def doubled_by_charges(connection: Connection, partition: str) -> bool:
    """Whether a partition has as many charges in common with another, or sums, as are refused."""
    names = {"partition": partition}
    months: dict[str, dict[str, tuple[object, int]]] = {}
    for row in connection.execute(
        "SELECT source_partition AS name, (provider, "
        "lower(regexp_replace(account_id, '^.*/', '')), billing_period_start, billing_currency"
        ")::text AS month, sum(billed_cost) AS billed, count(*) AS charges "
        "FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1, 2"
    ):
        months.setdefault(row["name"], {})[row["month"]] = (row["billed"], row["charges"])
    windows = {
        row["name"]: (row["first"], row["last"])
        for row in connection.execute(
            "SELECT source_partition AS name, first_date AS first, last_date AS last "
            "FROM oco.ingestion_batches WHERE status = 'loaded'"
        )
    }
    near = [
        name
        for name, window in windows.items()
        if name != partition
        and all(abs((a - b).days) <= 1 for a, b in zip(window, windows[partition], strict=True))
    ]
    if any(
        add_up_alike(months[partition], months[name])  # type: ignore[arg-type]
        and are_of_one_time(connection, SOURCE, [partition, name])
        for name in near
    ):
        return True
    return bool(
        connection.execute(
            f"""
            WITH own AS (
                SELECT DISTINCT {SAME} AS same FROM oco.cloud_costs
                WHERE source_partition = %(partition)s AND valid_to IS NULL
                  AND (billed_cost <> 0 OR effective_cost <> 0))
            SELECT source_partition FROM oco.cloud_costs JOIN own ON own.same = {SAME}
            WHERE source_partition <> %(partition)s AND valid_to IS NULL
            GROUP BY 1 HAVING count(DISTINCT own.same) * 2 > (SELECT count(*) FROM own)
            """,
            names,
        ).fetchall()
    )


def refused(connection: Connection, partition: str) -> bool:
    days = connection.execute(
        "SELECT first_date, last_date FROM oco.ingestion_batches WHERE source_partition = %s",
        [partition],
    ).fetchall()[0]
    try:
        refuse_same_bill(connection, SOURCE, partition, (days["first_date"], days["last_date"]))
    except ConflictError:
        return True
    return False


def test_doubles_are_told_by_sums_as_they_are_by_charges(
    warehouse: Warehouse, make_charge: MakeCharge, make_csv: Make
) -> None:
    dice = random.Random(4)

    def bill(number: int) -> Path:
        start, accounts = dice.choice([1, 2, 4]), dice.choice([["a"], ["a", "b"], ["x/A", "c"]])
        costs = dice.choice([["1", "2"], ["1", "2", "0"], ["3"]])
        return make_csv(
            *(
                make_charge(
                    ChargePeriodStart=f"2026-09-{day:02}T00:00:00Z",
                    ChargePeriodEnd=f"2026-09-{day + 1:02}T00:00:00Z",
                    SubAccountId=dice.choice(accounts),
                    BilledCost=(cost := dice.choice(costs)),
                    EffectiveCost=cost,
                    ResourceId=f"i-{dice.randrange(3)}",
                    InvoiceId=f"{number}",
                )
                for day in range(start, start + dice.choice([1, 4]))
                for _ in range(dice.choice([2, 12]))
            )
        )

    names = [f"part-{number}" for number in range(8)]
    for number, name in enumerate(names):
        tables = read_focus(name, bill(number))
        # Parts of one table may say the same, and all of them get in.
        load(warehouse, map(normalise, tables), Origin(SOURCE, name, name, siblings="part"))
    verdicts = []
    for name in names:
        with warehouse.transaction() as connection:
            verdicts.append(doubled_by_charges(connection, name))
            assert refused(connection, name) is verdicts[-1], name
    assert True in verdicts
    assert False in verdicts
