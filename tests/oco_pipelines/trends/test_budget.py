"""Cloud budgets as people write them: what is taken, and the path of what is wrong."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.trends.budget import DEFAULT_THRESHOLDS, period_before, period_of, read_budget
from oco_pipelines.trends.budget_file import import_budgets, read_budget_file
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError, InvalidInputError

GOOD = """
budgets:
  - name: Production
    amount_usd: 1234.56
    period: month
    filter:
      provider: aws
      team: [search, ml]
      tags: {env: [prod, live]}
    thresholds:
      - {share: 0.8}
      - {share: 1, by: forecast}
  - name: Everything
    amount_usd: "50000"
    period: year
    cost_basis: billed
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "budgets.yaml"
    path.write_text(text)
    return path


def test_a_file_is_read_without_a_float_in_between(tmp_path: Path) -> None:
    production, everything = read_budget_file(written(tmp_path, GOOD))
    assert production.amount_usd == Decimal("1234.56")
    assert production.filter_json() == {
        "provider": ["aws"],
        "team": ["search", "ml"],
        "tags": {"env": ["prod", "live"]},
    }
    assert [str(one) for one in production.thresholds] == ["actual:0.8", "forecast:1"]
    assert (everything.amount_usd, everything.cost_basis) == (50000, "billed")
    assert (everything.filter_json(), everything.thresholds) == ({}, DEFAULT_THRESHOLDS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("name: Production", "nme: Production"), "budgets[0].nme: is unknown; use name"),
        (("provider: aws", "providr: aws"), "budgets[0].filter.providr: is unknown; use source"),
        (("provider: aws", "provider: [aws, 7]"), "budgets[0].filter.provider[1]: must be a text"),
        (("provider: aws", "provider: []"), "budgets[0].filter.provider: is empty"),
        (("provider: aws", "source: llm"), "budgets[0].filter.source[0]: must be one of cloud"),
        (
            ("provider: aws", "charge_category: Use"),
            "budgets[0].filter.charge_category[0]: must",
        ),
        (("[prod, live]", "[prod, '']"), "budgets[0].filter.tags.env[1]: must be a text"),
        (("1234.56", "-3"), "budgets[0].amount_usd: must be a number above 0"),
        (("1234.56", ".nan"), "'.nan' is not a decimal number"),
        (("1234.56", "true"), "budgets[0].amount_usd: must be a number"),
        (("period: month", "period: week"), "budgets[0].period: must be one of month, quarter"),
        (("share: 0.8", "share: 0"), "thresholds[0].share (0.8 is 80 %): must be a number above 0"),
        (
            ("share: 0.8", "share: 80"),
            "thresholds[0].share (0.8 is 80 %): must be a number above 0",
        ),
        (("by: forecast", "by: guess"), "budgets[0].thresholds[1].by: must be one of actual"),
        (("{share: 1, by: forecast}", "{share: 0.80}"), "budgets[0].thresholds[1]: stands above"),
        (("name: Everything", "name: Production"), "budgets[1].name: 'Production' stands above"),
        (("cost_basis: billed", "cost_basis: net"), "budgets[1].cost_basis: must be one of"),
        (("period: year", "period: year\n    period: month"), "'period' is given twice"),
        (("budgets:", "budget:"), "needs a list under `budgets`"),
        (("period: year", "period: [year"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_path_in_one_line_and_nothing_is_written(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(InvalidFileError) as caught:
        read_budget_file(written(tmp_path, GOOD.replace(*change)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_float_is_refused_where_money_is_meant() -> None:
    with pytest.raises(InvalidInputError, match="amount_usd"):
        read_budget({"name": "a", "amount_usd": 0.1, "period": "month"}, "budgets[0]")


def test_importing_again_changes_nothing_and_a_change_is_in_the_audit_log(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert import_budgets(warehouse, written(tmp_path, GOOD)) == (2, 2)
    assert import_budgets(warehouse, written(tmp_path, GOOD)) == (2, 0)
    changed = GOOD.replace("1234.56", "2000")
    assert import_budgets(warehouse, written(tmp_path, changed)) == (2, 1)
    (amount,) = warehouse.query("SELECT amount_usd FROM oco.cloud_budgets WHERE name LIKE 'Prod%'")
    assert amount["amount_usd"] == 2000
    log = warehouse.query("SELECT actor, action, details FROM oco.audit_log ORDER BY id")
    assert [row["action"] for row in log] == [
        "cloud_budget.create",
        "cloud_budget.create",
        "cloud_budget.update",
    ]
    assert log[2]["details"]["amount_usd"] == "2000"


def test_a_budget_for_the_cloud_is_none_that_the_gateway_admits_by(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    import_budgets(warehouse, written(tmp_path, GOOD))
    assert warehouse.query("SELECT * FROM oco.budgets") == []


@pytest.mark.parametrize(
    ("period", "day", "start", "end"),
    [
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
        ("quarter", date(2026, 11, 1), date(2026, 10, 1), date(2027, 1, 1)),
        ("quarter", date(2026, 3, 31), date(2026, 1, 1), date(2026, 4, 1)),
        ("year", date(2026, 7, 1), date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_periods_are_calendar_periods(period: str, day: date, start: date, end: date) -> None:
    assert period_of(period, day) == (start, end)


@given(st.sampled_from(["month", "quarter", "year"]), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_periods_follow_each_other_without_a_gap(period: str, day: date) -> None:
    start, end = period_of(period, day)
    assert start <= day < end
    assert period_of(period, end)[0] == end
    assert period_before(period, end) == (start, end)
    assert period_of(period, end - timedelta(days=1)) == (start, end)
