"""A report as a page: one file, no scripts, nothing loaded from elsewhere. Pure.

Names of agents, teams and models come from callers: every text is escaped here, and only here.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from oco_pipelines.llm.report.figures import LENGTHS, Report
from oco_warehouse.money import format_usd

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #1d2733; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #dde3ea; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
.large { font-size: 2rem; margin: .2rem 0; } .quiet { color: #5b6b7c; }
"""
_HEADINGS: Final = {"provider": "Providers", "model": "Models", "team": "Teams", "agent": "Agents"}


def report_page(report: Report) -> str:
    """The page as HTML."""
    days = f"{report.start:%Y-%m-%d}"
    if report.kind == "weekly":
        days += f" to {report.end - LENGTHS['daily']:%Y-%m-%d}"
    title = f"Model spend, {days}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_summary(report),
        *_spenders(report),
        *_budgets(report),
        *_lines("Worth knowing", [f"{text}" for _, text in report.insights]),
        *_lines("Alerts", report.alerts),
        *_lines(
            "What could be saved",
            [f"{row.title}: {format_usd(row.monthly_usd)} a month" for row in report.advice],
        ),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def change_text(after: Decimal, before: Decimal) -> str:
    """How an amount moved, for people."""
    if before == 0:
        return "new" if after else "no change"
    share = (after - before) / before * 100
    return f"{share:+.0f} %"


def _summary(report: Report) -> list[str]:
    now, before = report.totals, report.before
    change = change_text(now.cost_usd, before.cost_usd)
    against = f"{change} against {format_usd(before.cost_usd)} in the period before"
    lines = [
        f'<p class="large">{escape(format_usd(now.cost_usd))}</p>',
        f'<p class="quiet">{escape(against)}</p>',
    ]
    rows = [
        ("Calls", f"{now.requests:,}", f"{before.requests:,}"),
        ("Failed calls", f"{now.failed:,}", f"{before.failed:,}"),
        ("Calls without a price", f"{now.unpriced:,}", f"{before.unpriced:,}"),
        ("Input tokens", f"{now.input_tokens:,}", f"{before.input_tokens:,}"),
        ("of them from a cache", f"{now.cached_input_tokens:,}", f"{before.cached_input_tokens:,}"),
        ("Output tokens", f"{now.output_tokens:,}", f"{before.output_tokens:,}"),
        ("Saved by routing", format_usd(now.saved_usd), format_usd(before.saved_usd)),
    ]
    return [*lines, *_table(("", "This period", "Before"), rows)]


def _spenders(report: Report) -> list[str]:
    lines = []
    for name, heading in _HEADINGS.items():
        rows = [
            (
                row.name,
                format_usd(row.cost_usd),
                change_text(row.cost_usd, row.before_usd),
                f"{row.requests:,}",
            )
            for row in report.spenders.get(name, ())
        ]
        if rows:
            lines.append(f"<h2>{heading}</h2>")
            lines += _table(("Name", "Cost", "Change", "Calls"), rows)
    return lines


def _budgets(report: Report) -> list[str]:
    rows = [
        (
            f"{row.scope} {row.entity_id} ({row.period}, {row.enforcement})",
            format_usd(row.spent_usd),
            format_usd(row.limit_usd),
            f"{row.spent_usd / row.limit_usd * 100:.0f} %",
        )
        for row in report.budgets
    ]
    if not rows:
        return []
    return ["<h2>Budgets now</h2>", *_table(("Budget", "Spent", "Limit", "Used"), rows)]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    lines = ["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return [*lines, "</tbody>", "</table>"]


def _lines(heading: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    items = [f"<li>{escape(text)}</li>" for text in texts]
    return [f"<h2>{heading}</h2>", "<ul>", *items, "</ul>"]
