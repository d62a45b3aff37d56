"""Reports: figures by hand, a page that runs nothing, and one row a period."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.report.figures import (
    Advice,
    BudgetState,
    Report,
    Spender,
    Totals,
    last_complete,
)
from oco_pipelines.llm.report.page import change_text, report_page
from oco_pipelines.llm.report.reading import read_report
from oco_pipelines.llm.report.store import write_reports
from oco_warehouse.database import Warehouse

NOW = datetime(2026, 11, 18, 4, 53, tzinfo=UTC)  # a Wednesday
DAY = datetime(2026, 11, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)


def call(warehouse: Warehouse, name: str, at: datetime, cost: str | None, **more: Any) -> None:
    amount = None if cost is None else Decimal(cost)
    row = {
        "id": name,
        "provider": "openai",
        "model": "gpt",
        "team_id": "search",
        "agent_id": "bot",
        "input_tokens": 100,
        "cached_input_tokens": 40,
        "output_tokens": 10,
        "cost_usd": amount,
        "input_cost_usd": amount,
        "output_cost_usd": None if cost is None else 0,
        "cost_status": "unpriced" if cost is None else "exact",
        "status_code": 200,
        "timestamp": at,
        **more,
    }
    names = ", ".join(f'"{column}"' for column in row)
    marks = ", ".join(["%s"] * len(row))
    statement: Any = f"INSERT INTO oco.api_requests ({names}) VALUES ({marks})"
    warehouse.execute(statement, list(row.values()))


def fill(warehouse: Warehouse) -> None:
    call(warehouse, "a", DAY, "1.50")
    call(warehouse, "b", DAY + 23 * HOUR, "0.000000001", team_id="ads")
    call(warehouse, "c", DAY + HOUR, None)
    call(warehouse, "d", DAY + HOUR, "0", status_code=500)
    call(warehouse, "routed", DAY, "0.5", was_routed=True, savings_usd=Decimal("0.7"))
    call(warehouse, "before", DAY - HOUR, "4")
    call(warehouse, "after", DAY + 24 * HOUR, "99")
    warehouse.execute(
        "INSERT INTO oco.budgets (scope, entity_id, limit_usd, spent_usd, period_start, period_end)"
        " VALUES ('team', 'search', 10, 5, now(), now() + interval '1 day')"
    )
    warehouse.execute(
        "INSERT INTO oco.llm_insights (kind, scope, entity_id, title, first_seen, last_seen) "
        "VALUES ('unpriced_model', 'model', 'm', 'no price', %s, %s)",
        [DAY, DAY + HOUR],
    )
    warehouse.execute(
        "INSERT INTO oco.alerts (kind, dedupe_key, scope, entity_id, title, created_at) "
        "VALUES ('spend_spike', 'k', 'team', 'search', 'a spike', %s)",
        [DAY + HOUR],
    )


def test_the_periods_are_whole_utc_days_and_iso_weeks() -> None:
    assert last_complete("daily", NOW) == (DAY, DAY + timedelta(days=1))
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    assert last_complete("weekly", NOW) == (monday - timedelta(weeks=1), monday)
    assert last_complete("weekly", monday) == (monday - timedelta(weeks=1), monday)
    assert last_complete("daily", monday) == (monday - timedelta(days=1), monday)


def test_the_figures_of_a_day_are_those_of_its_calls(warehouse: Warehouse) -> None:
    fill(warehouse)
    report = read_report(warehouse, "daily", DAY, NOW)
    assert report.totals == Totals(
        requests=5,
        failed=1,
        unpriced=1,
        cost_usd=Decimal("2.000000001"),
        saved_usd=Decimal("0.7"),
        input_tokens=500,
        cached_input_tokens=200,
        output_tokens=50,
    )
    assert (report.before.requests, report.before.cost_usd) == (1, 4)
    assert report.spenders["team"] == [
        Spender("search", 4, Decimal(2), Decimal(4)),
        Spender("ads", 1, Decimal("0.000000001"), Decimal(0)),
    ]
    assert report.budgets == [
        BudgetState("team", "search", "month", "hard", Decimal(10), Decimal(5))
    ]
    assert list(report.insights) == [("unpriced_model", "no price")]
    assert list(report.alerts) == ["a spike"]


def test_a_period_without_a_call_has_a_report_too(warehouse: Warehouse) -> None:
    report = read_report(warehouse, "weekly", DAY - timedelta(days=8), NOW)
    assert report.totals.requests == 0
    assert "$0.00" in report_page(report)
    assert "no change" in report_page(report)


def test_a_report_is_written_once_and_replaced_by_what_is_known_later(
    warehouse: Warehouse,
) -> None:
    fill(warehouse)
    assert [report.kind for report in write_reports(warehouse, NOW)] == ["daily", "weekly"]
    call(warehouse, "late", DAY + 2 * HOUR, "3")
    write_reports(warehouse, NOW)
    rows = warehouse.query("SELECT * FROM oco.reports ORDER BY kind")
    assert [(row["kind"], row["period_start"]) for row in rows] == [
        ("daily", DAY),
        ("weekly", datetime(2026, 11, 9, tzinfo=UTC)),
    ]
    assert rows[0]["json"]["totals"]["cost_usd"] == "5.000000001"
    assert "$5.00" in rows[0]["html"]


def test_changes_are_told_in_words_where_there_is_nothing_to_divide_by() -> None:
    assert change_text(Decimal(3), Decimal(2)) == "+50 %"
    assert change_text(Decimal(1), Decimal(4)) == "-75 %"
    assert change_text(Decimal(1), Decimal(0)) == "new"
    assert change_text(Decimal(0), Decimal(0)) == "no change"


class Reader(HTMLParser):
    """Keeps every tag, attribute and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead"}
TAGS |= {"tbody", "tr", "th", "td", "ul", "li"}
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1
) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=y>', "</td></table>", "&lt;b&gt;", "<!--"]
)


@given(NAMES)
def test_whatever_a_name_is_it_is_text_and_never_markup(name: str) -> None:
    nothing = Totals(0, 0, 0, Decimal(0), Decimal(0), 0, 0, 0)
    report = Report(
        kind="weekly",
        start=DAY,
        end=DAY + timedelta(weeks=1),
        totals=nothing,
        before=nothing,
        spenders={"agent": [Spender(name, 1, Decimal(1), Decimal(0))]},
        budgets=[BudgetState("team", name, "month", "soft", Decimal(1), Decimal(1))],
        insights=[("spend_spike", name)],
        alerts=[name],
        advice=[Advice(name, Decimal(1))],
    )
    reader = Reader()
    reader.feed(report_page(report))
    reader.close()
    assert reader.tags <= TAGS
    assert reader.attributes <= {"lang", "charset", "name", "content", "class"}
    assert sum(text == name for text in reader.texts) >= 3
    assert json.loads(json.dumps(report.to_json()))["alerts"] == [name]


def test_the_page_loads_nothing_from_anywhere(warehouse: Warehouse) -> None:
    fill(warehouse)
    page = report_page(read_report(warehouse, "daily", DAY, NOW))
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script", page)
    assert "Model spend, 2026-11-17" in page


def test_the_asset_writes_both(warehouse: Warehouse) -> None:
    from dagster import materialize

    from oco_pipelines.llm.report.definitions import llm_report
    from oco_pipelines.resources import WarehouseResource

    resources = {"warehouse": WarehouseResource(database_url=warehouse.url)}
    assert materialize([llm_report], resources=resources).success
    assert len(warehouse.query("SELECT 1 FROM oco.reports")) == 2
