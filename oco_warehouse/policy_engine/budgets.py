"""Budgets as policies see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from oco_warehouse.database import Connection
from oco_warehouse.policy_engine.groups import group_chunk
from oco_warehouse.policy_engine.subjects import Chunk, Subject, readable

_CLOUD: Final = """
    SELECT DISTINCT ON (budget.id) budget.id::text AS id, budget.name, budget.filter, budget.period,
           budget.amount_usd AS amount, coalesce(status.spent_usd, 0) AS spent,
           status.forecast_usd AS forecast
    FROM oco.cloud_budgets AS budget
    -- The newest period that was judged may be over.
    LEFT JOIN oco.cloud_budget_status AS status
        ON status.budget_id = budget.id
        AND status.period_end > (now() AT TIME ZONE 'UTC')::date
    WHERE budget.enabled
    ORDER BY budget.id, status.period_start DESC
"""
_LLM: Final = """
    SELECT id, name, scope, entity_id, period, limit_usd AS amount,
           -- Of the period of the newest call, which may be over.
           CASE WHEN period_end <= now() THEN 0 ELSE spent_usd END AS spent
    FROM oco.budgets WHERE enabled ORDER BY id
"""
_PLURAL: Final = "tags"


class Budgets:
    """Enabled budgets; one is breached when its period has spent its amount."""

    def __init__(self, cloud: list[dict[str, Any]], llm: list[dict[str, Any]]) -> None:
        self._cloud = cloud
        self._llm = llm
        self._breached = {
            (row["scope"], row["entity_id"]) for row in llm if row["spent"] >= row["amount"]
        }

    @classmethod
    def read(cls, connection: Connection) -> "Budgets":
        """Both kinds, with how they stand."""
        return cls(connection.execute(_CLOUD).fetchall(), connection.execute(_LLM).fetchall())

    def cloud_breached(self, group: Mapping[str, Any]) -> bool:
        """Whether a breached cloud budget counts just this group's cost.

        Its filter must name members that the group has, and the group's values for them.
        """
        return any(
            row["spent"] >= row["amount"] and row["filter"] and _counts(row["filter"], group)
            for row in self._cloud
        )

    def llm_breached(self, group: Mapping[str, Any]) -> bool:
        """Whether a breached budget limits one of the group's entities."""
        return any((scope, entity) in self._breached for scope, entity in group.items())

    def all(self) -> list[dict[str, Any]]:
        """Every budget with its document."""
        return [
            *(_seen("cloud", row) for row in self._cloud),
            *(_seen("llm", row) for row in self._llm),
        ]


def _counts(budget: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    wanted = {name: values for name, values in budget.items() if name != _PLURAL}
    wanted |= {f"tag:{key}": values for key, values in budget.get(_PLURAL, {}).items()}
    return all(name in group and group[name] in values for name, values in wanted.items())


def _seen(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    amount, spent, forecast = row["amount"], row["spent"], row.get("forecast")
    scope, entity = row.get("scope"), row.get("entity_id")
    name = row["name"] or f"{scope} {entity} a {row['period']}"
    document = {
        "kind": kind,
        "name": name,
        "scope": scope,
        "entity_id": entity,
        "period": row["period"],
        "amount_usd": float(amount),
        "spent_usd": float(spent),
        "forecast_usd": None if forecast is None else float(forecast),
        "share": float(spent / amount) if amount else None,
        "forecast_share": float(forecast / amount) if forecast is not None and amount else None,
        "budget_breached": spent >= amount,
    }
    return {
        "kind": kind,
        "id": row["id"],
        "name": name,
        "amount": amount,
        "spent": spent,
        "document": document,
    }


def budget_subjects(connection: Connection, now: datetime) -> Chunk:
    """Budgets for cloud cost and for model calls, each in its current period."""
    with readable(connection, "budgets"):
        found = Budgets.read(connection).all()
    subjects = [
        Subject(
            "oco",
            one["kind"],
            one["id"],
            f"{one['kind']} budget {one['name']}",
            None,
            {"amount_usd": str(one["amount"]), "spent_usd": str(one["spent"])},
        )
        for one in found
    ]
    return group_chunk(subjects, [one["document"] for one in found], [{} for _ in found], now)
