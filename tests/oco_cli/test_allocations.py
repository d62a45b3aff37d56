"""`oco allocations` and `oco invoices` as a person runs them."""

import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RULES = """
rules:
  - {name: tags, priority: 10, method: tag, target: {tag: team}}
  - name: platform
    priority: 20
    method: proportional
    match: {provider: aws, tags: {env: [prod, test]}}
    target: {weights: {search: 0.1, ads: 2}, remainder: ads}
    enabled: false
    valid_from: 2026-10-01
"""


def test_rules_are_written_and_shown_with_every_digit(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    done = oco("allocations", "import", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stderr
    assert "2 added, 0 changed, 0 removed" in done.stdout
    (row,) = warehouse.query("SELECT * FROM oco.cost_allocations WHERE name = 'platform'")
    assert row["target"] == {"weights": {"search": "0.1", "ads": "2"}, "remainder": "ads"}
    assert row["match"] == {"provider": ["aws"], "tags": {"env": ["prod", "test"]}}
    shown = oco("allocations", "list").stdout
    assert shown.index("tags") < shown.index("platform")
    assert "env=prod|test" in shown


def test_one_wrong_rule_keeps_all_of_the_file_out(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("ads: 2", "ads: -2"))
    done = oco("allocations", "import", tmp_path / "rules.yaml")
    assert done.returncode == 1
    assert "rule 2 (platform): target.weights.ads: must be above 0" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert warehouse.query("SELECT 1 FROM oco.cost_allocations") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []", "at least one rule"),
        ("- name: a", "expected one key, rules"),
        ("rules: [", "cannot be read"),
        ("rules: [&a {}, *a]", "aliases"),
        ("rules: [{name: a, name: b}]", "'name' is given twice"),
        ("rules: [{name: !!python/object:os.system {}}]", "could not determine a constructor"),
        ("rules: [{name: a, priority: .inf}]", "not a decimal number"),
    ],
)
def test_a_file_that_is_no_list_of_rules_is_one_line(
    oco: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    done = oco("allocations", "import", tmp_path / "rules.yaml")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr


def test_a_check_before_the_marts_are_built_says_so(oco: Run) -> None:
    done = oco("allocations", "check", "--month", "2026-10")
    assert done.returncode == 1
    assert "run `oco dbt build`" in done.stderr
    assert "is no month" in oco("allocations", "check", "--month", "October").stderr


def test_invoices_are_written_once_and_corrected(
    oco: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "invoices.csv"
    heading = "provider,billing_account,invoice_id,period,currency,total\n"
    path.write_text(f"{heading}AWS,1,I-1,2026-10,USD,12.30\ngcp,b,,2026-10-01,EUR,-1\n")
    assert "2 invoices read" in oco("invoices", "import", path).stdout
    path.write_text(f"{heading}aws,1,I-1,2026-10,USD,12.31\n")
    assert "1 written" in oco("invoices", "import", path).stdout
    rows = warehouse.query("SELECT provider, invoice_id, total FROM oco.invoices ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("aws", "I-1", Decimal("12.31")),
        ("gcp", "none", Decimal(-1)),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("aws,1,I-1,October,USD,1", "line 2: period: 'October' is no month"),
        ("aws,1,I-1,2026-10,usd,1", "line 2: currency: 'usd' is no code"),
        ('aws,1,I-1,2026-10,USD,"1,5"', "line 2: total: '1,5' is not a decimal number"),
        ("aws,1,I-1,2026-10,USD,1e90", "line 2: total: has too many digits"),
        (",1,I-1,2026-10,USD,1", "line 2: provider: is empty"),
        ("aws,1,I-1,2026-10,USD", "line 2: has not as many cells"),
        ("a,1,I,2026-10,USD,1\na,1,I,2026-10,USD,2", "line 3: the same invoice stands above"),
        ("", "there is no invoice in it"),
    ],
)
def test_a_wrong_invoice_keeps_all_of_the_file_out(tmp_path: Path, line: str, said: str) -> None:
    from oco_pipelines.showback.invoice_file import read_invoice_file
    from oco_warehouse.errors import InvalidFileError

    path = tmp_path / "invoices.csv"
    path.write_text(f"provider,billing_account,invoice_id,period,currency,total\n{line}\n")
    with pytest.raises(InvalidFileError) as caught:
        read_invoice_file(path)
    assert said in str(caught.value)
