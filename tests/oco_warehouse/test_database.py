import asyncio
import threading
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from oco_warehouse.database import Warehouse, copy_rows, create_pool
from oco_warehouse.errors import WarehouseUnreachable


def test_an_error_inside_a_transaction_leaves_nothing_behind(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), warehouse.transaction() as connection:
        connection.execute("INSERT INTO oco.organizations (id, name) VALUES ('a', 'A')")
        raise ZeroDivisionError
    assert warehouse.query("SELECT id FROM oco.organizations") == []


def test_copied_decimals_and_times_come_back_to_the_last_digit(warehouse: Warehouse) -> None:
    rate = Decimal("1.2345678901234567890123456789")
    when = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with warehouse.transaction() as connection:
        copied = copy_rows(
            connection,
            "oco.exchange_rates",
            ["month", "from_currency", "rate", "source", "updated_at"],
            [(when.date(), "EUR", rate, "test", when)],
        )
    rows = warehouse.query("SELECT rate, updated_at FROM oco.exchange_rates")
    assert copied == 1
    assert rows == [{"rate": rate, "updated_at": when}]


def test_an_exclusive_section_lets_one_in_at_a_time(warehouse: Warehouse) -> None:
    entered, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with warehouse.exclusive("dbt"):
            entered.set()
            leave.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    threading.Timer(0.2, leave.set).start()
    with warehouse.exclusive("dbt"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_wrong_database_is_named_in_one_line(warehouse_url: str) -> None:
    with pytest.raises(WarehouseUnreachable, match="no_such_database") as caught:
        Warehouse(warehouse_url.rsplit("/", 1)[0] + "/no_such_database").query("SELECT 1")
    assert "\n" not in str(caught.value)


async def _one(url: str) -> int:
    pool = await create_pool(url)
    async with pool:
        value = await pool.fetchval("SELECT 1")
    return int(value)


def test_the_gateways_pool_connects_to_the_same_address(warehouse_url: str) -> None:
    assert asyncio.run(_one(warehouse_url)) == 1


def test_the_gateways_pool_says_what_it_cannot_reach() -> None:
    with pytest.raises(WarehouseUnreachable, match=r"127\.0\.0\.1:1"):
        asyncio.run(_one("postgresql://user@127.0.0.1:1/oco"))


def test_two_parameters_are_sent_apart_from_the_statement(warehouse: Warehouse) -> None:
    hostile = "'; DROP TABLE oco.teams; --"
    warehouse.execute(
        "INSERT INTO oco.organizations (id, name) VALUES (%s, %s)", [hostile, hostile]
    )
    assert warehouse.query("SELECT name FROM oco.organizations") == [{"name": hostile}]
    with pytest.raises(psycopg.errors.UniqueViolation):
        warehouse.execute("INSERT INTO oco.organizations (id, name) VALUES (%s, '')", [hostile])
