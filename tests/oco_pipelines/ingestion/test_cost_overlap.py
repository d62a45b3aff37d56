"""Files that say again what others have said: their money must never count twice in silence."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.ingestion.cost_batch import Origin
from oco_pipelines.ingestion.cost_load import load
from oco_pipelines.ingestion.cost_overlap import add_up_alike
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.focus_reader import read_focus
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import ConflictError, InvalidInputError

Make = Callable[..., Path]


@pytest.fixture
def days(make_charge: Callable[..., dict[str, str | None]], make_csv: Make) -> Make:
    """A file with one charge for each given day of September 2026."""

    def make(*numbers: int) -> Path:
        return make_csv(
            *(
                make_charge(
                    ChargePeriodStart=f"2026-09-{n:02}T00:00:00Z",
                    ChargePeriodEnd=f"2026-09-{n + 1:02}T00:00:00Z",
                )
                for n in numbers
            )
        )

    return make


def charges(warehouse: Warehouse) -> int:
    rows = warehouse.query(
        "SELECT sum(billed_cost) AS total FROM oco.cloud_costs WHERE valid_to IS NULL"
    )
    total: Decimal = rows[0]["total"] or Decimal(0)
    return int(total / Decimal("1.5"))


def test_a_month_to_date_file_that_contains_an_earlier_one_is_refused(
    warehouse: Warehouse, days: Make
) -> None:
    load_focus_file(warehouse, "to-10.csv", days(*range(1, 11)))
    with pytest.raises(ConflictError, match=r"10 of its 25 .* 'to-10.csv'.*--replaces"):
        load_focus_file(warehouse, "to-25.csv", days(*range(1, 26)))
    assert charges(warehouse) == 10
    load_focus_file(warehouse, "to-25.csv", days(*range(1, 26)), replaces=["to-10.csv"])
    assert charges(warehouse) == 25


def test_a_month_after_its_days_is_refused_until_it_replaces_them_all(
    warehouse: Warehouse, days: Make
) -> None:
    parts = [f"day-{n}.csv" for n in range(1, 6)]
    for number, part in enumerate(parts, 1):
        load_focus_file(warehouse, part, days(number))
    month = days(*range(1, 6))
    with pytest.raises(ConflictError, match=r"5 of its 5 different charges"):
        load_focus_file(warehouse, "month.csv", month)
    with pytest.raises(ConflictError, match=r"'day-5.csv'"):
        load_focus_file(warehouse, "month.csv", month, replaces=parts[:4])
    assert charges(warehouse) == 5
    load_focus_file(warehouse, "month.csv", month, replaces=parts)
    assert charges(warehouse) == 5


def test_sharing_is_summed_over_files_that_each_share_little(
    warehouse: Warehouse, days: Make
) -> None:
    load_focus_file(warehouse, "a.csv", days(1, 2, 10, 11, 12))
    load_focus_file(warehouse, "b.csv", days(3, 4, 20, 21, 22))
    with pytest.raises(ConflictError, match=r"4 of its 5 different charges"):
        load_focus_file(warehouse, "c.csv", days(1, 2, 3, 4, 5))
    assert charges(warehouse) == 10


def test_files_that_share_a_few_charges_are_both_loaded(warehouse: Warehouse, days: Make) -> None:
    load_focus_file(warehouse, "a.csv", days(1, 2, 3, 4))
    load_focus_file(warehouse, "b.csv", days(4, 5, 6, 7))
    assert charges(warehouse) == 8


@pytest.fixture
def worded(make_charge: Callable[..., dict[str, str | None]], make_csv: Make) -> Make:
    """A month of an account: twelve charges, everything named in the words of one vendor's tool."""

    def make(words: str, **more: str) -> Path:
        return make_csv(
            *(
                make_charge(
                    ChargePeriodStart=f"2026-09-{n:02}T00:00:00Z",
                    ChargePeriodEnd=f"2026-09-{n + 1:02}T00:00:00Z",
                    ServiceName=f"{words} service",
                    ResourceId=f"{words}-{n}",
                    SkuId=f"{words}-{n}",
                    BilledCost=f"{n}.25",
                    **more,
                )
                for n in range(1, 13)
            )
        )

    return make


def test_a_month_in_the_words_of_another_form_is_refused_until_it_replaces_that(
    warehouse: Warehouse, worded: Make
) -> None:
    load_focus_file(warehouse, "report.csv", worded("report"))
    with pytest.raises(ConflictError, match=r"'report.csv' is of the same days .* --replaces"):
        load_focus_file(warehouse, "focus.csv", worded("focus"))
    load_focus_file(warehouse, "focus.csv", worded("focus"), replaces=["report.csv"])
    assert charges(warehouse) == Decimal(81) // Decimal("1.5")


def test_the_same_cost_in_another_account_is_another_bill(
    warehouse: Warehouse, worded: Make
) -> None:
    load_focus_file(warehouse, "one.csv", worded("a"))
    load_focus_file(warehouse, "two.csv", worded("b", SubAccountId="other"))
    assert charges(warehouse) == Decimal(162) // Decimal("1.5")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("2026-09-01T00", "2026-09-02T00"), ("2026-09-02T00", "2026-09-03T00")),
        (("2026-09-01T00", "2026-09-01T06"), ("2026-09-01T06", "2026-09-01T12")),
    ],
)
def test_days_or_hours_that_cost_the_same_are_no_other_form_of_one_bill(
    warehouse: Warehouse,
    make_charge: Callable[..., dict[str, str | None]],
    make_csv: Make,
    one: tuple[str, str],
    other: tuple[str, str],
) -> None:
    support = {"ServiceName": "Support", "ChargePeriodEnd": "2026-10-01T00:00:00Z"}
    for start, end in (one, other):
        period = {"ChargePeriodStart": f"{start}:00:00Z", "ChargePeriodEnd": f"{end}:00:00Z"}
        machines = [make_charge(ResourceId=f"i-{n}", **period) for n in range(12)]
        bill = make_csv(*machines, make_charge(**period | support))
        load_focus_file(warehouse, start, bill)
    assert charges(warehouse) == 26


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({"m": (Decimal("100.009"), 12)}, True),
        ({"m": (Decimal("100.02"), 12)}, False),
        ({"m": (Decimal(100), 9)}, False),
        ({"n": (Decimal(100), 12)}, False),
        ({}, False),
    ],
)
def test_bills_add_up_alike_to_a_ten_thousandth_and_with_enough_charges(
    other: dict[str, tuple[Decimal, int]], alike: bool
) -> None:
    assert add_up_alike({"m": (Decimal(100), 12)}, other) is alike


def test_most_of_the_money_decides_whether_bills_add_up_alike() -> None:
    one = {"a": (Decimal(60), 50), "b": (Decimal(40), 50), "tiny": (Decimal(500), 1)}
    assert add_up_alike(one, {"a": (Decimal(60), 50)})
    assert not add_up_alike(one, {"b": (Decimal(40), 50)})


def test_replacing_what_was_never_loaded_is_refused_by_name(
    warehouse: Warehouse, days: Make
) -> None:
    load_focus_file(warehouse, "a.csv", days(1))
    with pytest.raises(InvalidInputError, match=r"nothing is loaded from 'typo.csv'"):
        load_focus_file(warehouse, "b.csv", days(1), replaces=["a.csv", "typo.csv"])
    assert charges(warehouse) == 1


def test_replacing_leaves_a_partition_of_the_same_name_in_another_source_alone(
    warehouse: Warehouse, days: Make
) -> None:
    load(
        warehouse,
        map(normalise, read_focus("x.csv", days(1, 2))),
        Origin("athena", "x.csv", content_hash="0"),
    )
    load_focus_file(warehouse, "x.csv", days(3))
    load_focus_file(warehouse, "y.csv", days(4), replaces=["x.csv"])
    assert charges(warehouse) == 3
