"""The FinOps Foundation's own validator reads an export, where one is at hand."""

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oco_pipelines.export.focus_file import export_focus
from oco_pipelines.export.focus_query import Selection
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.sample.generator import deliveries
from oco_warehouse.database import Warehouse

CALL = """
    INSERT INTO oco.api_requests (
        id, provider, model, org_id, team_id, input_tokens, output_tokens, total_tokens,
        cost_usd, input_cost_usd, output_cost_usd, cost_status, status_code, "timestamp"
    )
    VALUES ('a', 'openai', 'gpt', 'acme', 'search', 1000, 10, 1010, 0.3, 0.1, 0.2, 'exact', 200,
            '2026-09-05 10:30Z')
"""
SEPTEMBER = Selection(datetime(2026, 9, 1, tzinfo=UTC))
# docs/export.md says why each of them fails.
TWO_NAMES = {"BilledCost-C-000-M", "BilledCost-C-005-C"}
INVOICES = {"InvoiceId-C-000-O", "InvoiceId-C-003-C", "InvoiceId-C-004-C", "InvoiceId-C-005-C"}


def judge(validator: Path, file: Path) -> tuple[set[str], set[str]]:
    """Rules that pass and rules that fail."""
    # It opens a file of its own by a relative path.
    (folder,) = (validator.parent.parent / "lib").glob("python*/site-packages")
    done = subprocess.run(
        [
            *(validator, "--data-file", file, "--validate-version", "1.2"),
            *("--focus-dataset", "CostAndUsage", "--block-download", "--output-type", "console"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    found = {
        word: set(re.findall(rf"^\S+ (\S+): {word} ", done.stdout, re.MULTILINE))
        for word in ("PASS", "FAIL")
    }
    assert found["PASS"], done.stdout + done.stderr
    return found["PASS"], found["FAIL"]


@pytest.mark.slow
def test_the_sample_of_three_clouds_and_model_calls_fails_only_what_is_explained(
    focus_validator: Path, built: Warehouse, tmp_path: Path
) -> None:
    for name, content in deliveries().items():
        if name.startswith("1/") and "2026-09" in name:
            path = tmp_path / name.replace("/", "-")
            path.write_bytes(content)
            load_focus_file(built, name, path)
    built.execute(CALL)
    out = tmp_path / "out.csv"
    done = export_focus(built, out, "1.2", SEPTEMBER)
    passed, failed = judge(focus_validator, out)
    assert done.rows > 700
    assert failed == TWO_NAMES | INVOICES
    assert len(passed) >= 131


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_where_names_agree_and_nothing_is_invoiced_one_rule_is_left_that_none_can_pass(
    focus_validator: Path,
    built: Warehouse,
    bill: Callable[..., Path],
    tmp_path: Path,
    ending: str,
) -> None:
    load_focus_file(built, "a", bill({}, {"ChargeCategory": "Credit", "BilledCost": "-1"}))
    built.execute(CALL)
    out = tmp_path / f"out.{ending}"
    export_focus(built, out, "1.2", SEPTEMBER)
    _, failed = judge(focus_validator, out)
    assert failed == {"InvoiceId-C-005-C"}
