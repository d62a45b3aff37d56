"""`oco cloud-budgets` as a person runs it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FILE = """
budgets:
  - {name: Prod, amount_usd: 100.50, period: month, filter: {provider: aws}}
  - {name: Old, amount_usd: 5, period: year, enabled: false}
"""


def test_a_file_is_imported_once_and_listed(oco: Run, tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "budgets.yaml"
    path.write_text(FILE)
    assert oco("cloud-budgets", "import", path).stdout == (
        f"2 cloud budgets in {path}: 2 new or changed\n"
    )
    assert oco("cloud-budgets", "import", path).stdout.endswith(": 0 new or changed\n")
    listed = oco("cloud-budgets", "list").stdout
    assert "not judged yet" in listed
    assert "disabled" in listed
    warehouse.execute(
        "INSERT INTO oco.cloud_budget_status (budget_id, period_start, period_end, amount_usd, "
        "spent_usd, forecast_usd, judged_at) SELECT id, '2026-10-01', '2026-11-01', amount_usd, "
        "50.25, 120, now() FROM oco.cloud_budgets WHERE name = 'Prod'"
    )
    (line,) = [line for line in oco("cloud-budgets", "list").stdout.splitlines() if "Prod" in line]
    for shown in ("month from 2026-10-01", "$100.50", "$50.25", "50.0 %", "$120.00", "at risk"):
        assert shown in line


def test_a_wrong_file_is_one_line_with_the_path_of_what_is_wrong(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path = tmp_path / "budgets.yaml"
    path.write_text(FILE.replace("provider", "providr"))
    done = oco("cloud-budgets", "import", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "budgets[0].filter.providr: is unknown" in done.stderr
    assert done.stderr.count("\n") == 1
    assert warehouse.query("SELECT * FROM oco.cloud_budgets") == []


def test_without_budgets_it_says_what_to_do(oco: Run) -> None:
    assert "oco cloud-budgets import FILE" in oco("cloud-budgets", "list").stdout
