"""Commands as a person runs them: whole processes, their output and their exit codes."""

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_warehouse.database import Warehouse
from oco_warehouse.tokens import hash_token

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_sql_prints_amounts_to_their_last_digit_in_every_format(oco: Run) -> None:
    amount = "0.10000000000000000000000000000001"
    statement = f"SELECT {amount}::numeric AS amount"
    assert amount in oco("sql", statement).stdout
    assert json.loads(oco("sql", "--format", "json", statement).stdout) == [{"amount": amount}]
    rows = list(csv.DictReader(io.StringIO(oco("sql", "--format", "csv", statement).stdout)))
    assert [Decimal(row["amount"]) for row in rows] == [Decimal(amount)]


def test_sql_takes_a_percent_sign_as_it_is(oco: Run) -> None:
    done = oco("sql", "--format", "csv", "SELECT 'a%b' LIKE 'a%' AS found")
    assert done.stdout == "found\nTrue\n"


@pytest.mark.parametrize(
    "statement", ["SELEC 1", "SELECT 1; SELECT 2", "SELECT * FROM nowhere", " "]
)
def test_a_wrong_statement_is_one_line_and_changes_nothing(oco: Run, statement: str) -> None:
    done = oco("sql", statement)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("oco: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE oco.api_requests",
        "DELETE FROM oco.teams",
        "INSERT INTO oco.teams DEFAULT VALUES",
    ],
)
def test_sql_changes_nothing_unless_it_is_told_to(
    oco: Run, warehouse: Warehouse, statement: str
) -> None:
    refused = oco("sql", statement)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "--write" in refused.stderr
    assert refused.stderr.startswith("oco: cannot execute ")
    assert refused.stderr.count("\n") == 1
    assert warehouse.query("SELECT to_regclass('oco.api_requests') IS NOT NULL AS found") == [
        {"found": True}
    ]


def test_sql_changes_what_it_is_told_to(oco: Run, warehouse: Warehouse) -> None:
    done = oco("sql", "--write", "CREATE TABLE oco.own AS SELECT 1 AS one")
    assert done.returncode == 0
    assert warehouse.query("SELECT one FROM oco.own") == [{"one": 1}]


def test_a_tokens_hash_is_stored_and_the_token_is_not(oco: Run, warehouse: Warehouse) -> None:
    token = oco("token", "create", "--name", "ci", "--role", "viewer").stdout.strip()
    rows = warehouse.query("SELECT token_hash, role, name FROM oco.api_tokens")
    assert rows == [{"token_hash": hash_token(token), "role": "viewer", "name": "ci"}]
    assert token not in oco("token", "list").stdout


def test_a_revoked_token_cannot_be_revoked_again(oco: Run, warehouse: Warehouse) -> None:
    oco("token", "create", "--name", "ci")
    token_id = str(warehouse.query("SELECT id FROM oco.api_tokens")[0]["id"])
    assert oco("token", "revoke", token_id).returncode == 0
    again = oco("token", "revoke", token_id)
    assert again.returncode == 1
    assert token_id in again.stderr


def test_an_unknown_role_is_refused_with_the_roles_that_there_are(oco: Run) -> None:
    done = oco("token", "create", "--name", "x", "--role", "owner")
    assert done.returncode == 1
    assert "admin, operator, viewer, agent" in done.stderr


def test_env_gives_other_programs_the_same_warehouse(oco: Run, warehouse_url: str) -> None:
    lines = oco("env").stdout.splitlines()
    values = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert values["DATABASE_URL"] == warehouse_url
    assert warehouse_url.endswith(f":{values['POSTGRES_PORT']}/{values['POSTGRES_DB']}")
    assert values["DAGSTER_DISABLE_TELEMETRY"] == "1"


def test_migrate_says_where_the_warehouse_is(oco: Run) -> None:
    done = oco("migrate")
    assert done.returncode == 0
    assert "The warehouse is at" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DATABASE_URL", "mysql://host/db", "DATABASE_URL: must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/oco", "127.0.0.1:1"),
        ("CEREBRA_PORT", "eighty", "CEREBRA_PORT"),
    ],
)
def test_a_wrong_setting_is_one_line_without_secrets(
    oco: Run, variable: str, value: str, told: str
) -> None:
    done = oco("migrate", **{variable: value})
    assert done.returncode == 1
    assert told in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unwritable_home_is_one_line(oco: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = oco("migrate", OCO_HOME=str(tmp_path / "file" / "home"), DATABASE_URL="", REDIS_URL="")
    assert done.returncode == 1
    assert "OCO_HOME" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_command_is_wrong_usage(oco: Run) -> None:
    assert oco("nonsense").returncode == 2


def test_help_names_every_command_without_importing_them() -> None:
    program = (
        "import sys; sys.argv = ['oco', '--help']\nfrom oco_cli.main import main\n"
        "try:\n    main()\nfinally:\n    print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    for command in ("up", "demo", "sql", "import", "token", "migrate", "url", "dbt"):
        assert f"  {command} " in done.stdout
    for heavy in ("dagster", "litestar", "polars", "psycopg", "asyncpg"):
        assert f"'{heavy}'" not in done.stdout


def test_prices_are_loaded_from_a_file_or_not_at_all(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    good, bad = tmp_path / "prices.csv", tmp_path / "bad.csv"
    good.write_text("provider,model,input_per_m_token,output_per_m_token\nopenai,own-model,1,2\n")
    bad.write_text(good.read_text() + "openai,other-model,one,2\n")
    assert oco("import", "prices", str(good)).returncode == 0
    refused = oco("import", "prices", str(bad))
    assert refused.returncode == 1
    assert str(bad) in refused.stderr
    assert refused.stderr.count("\n") == 1
    rows = warehouse.query("SELECT model FROM oco.model_pricing WHERE source <> 'genai-prices'")
    assert [row["model"] for row in rows] == ["own-model"]


def test_json_output_loses_no_digit_and_no_column(oco: Run) -> None:
    query = "select '{\"a\":1.23456789012345678901234}'::jsonb a, interval '1 mon' b"
    (row,) = json.loads(oco("sql", "--format", "json", query).stdout)
    assert row == {"a": {"a": "1.23456789012345678901234"}, "b": "1 mon"}
    double = oco("sql", "--format", "json", "select 1 as a, 2 as a")
    assert double.returncode == 1
    assert "the same name" in double.stderr


def test_moments_beyond_pythons_calendar_are_printed(oco: Run) -> None:
    done = oco(
        "sql", "--format", "csv", "select 'infinity'::timestamptz a, '0044-03-15 BC'::date b"
    )
    assert done.stdout == "a,b\ninfinity,0044-03-15 BC\n"
