"""Cloud budgets from a YAML file that a person wrote: all of it or nothing, known by name."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import yaml
from psycopg.types.json import Jsonb

from oco_pipelines.trends.budget import Budget, read_budget
from oco_warehouse.database import Warehouse, lock
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.money import plain
from oco_warehouse.strict_yaml import StrictLoader

MAX_BYTES: Final = 1024 * 1024
ACTOR: Final = "oco cloud-budgets"
_WRITE: Final = """
    INSERT INTO oco.cloud_budgets AS known
        (name, filter, amount_usd, period, cost_basis, thresholds, enabled)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET
        filter = excluded.filter, amount_usd = excluded.amount_usd, period = excluded.period,
        cost_basis = excluded.cost_basis, thresholds = excluded.thresholds,
        enabled = excluded.enabled
    WHERE (known.filter, known.amount_usd, known.period, known.cost_basis, known.thresholds,
           known.enabled)
        IS DISTINCT FROM (excluded.filter, excluded.amount_usd, excluded.period,
                          excluded.cost_basis, excluded.thresholds, excluded.enabled)
    RETURNING id, xmax = 0 AS is_new
"""
_AUDIT: Final = """
    INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
    VALUES (%s, %s, 'cloud_budget', %s, %s)
"""


class _Loader(StrictLoader):
    """YAML without floats, because a float never becomes money."""


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = loader.construct_scalar(node)
    try:
        return Decimal(str(text).replace("_", ""))
    except InvalidOperation:
        raise yaml.constructor.ConstructorError(
            None, None, f"{text!r} is not a decimal number", node.start_mark
        ) from None


_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_budget_file(path: Path) -> list[Budget]:
    """Budgets of a file with a list under `budgets`.

    Raises:
        InvalidFileError: naming the file, the path in it and what is wrong there.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if not isinstance(content, dict) or not isinstance(content.get("budgets"), list):
        raise InvalidFileError(f"{path}: needs a list under `budgets`")
    if unknown := [str(key) for key in content if key != "budgets"]:
        raise InvalidFileError(f"{path}: {unknown[0]}: is unknown; use budgets")
    budgets: dict[str, Budget] = {}
    for number, entry in enumerate(content["budgets"]):
        try:
            budget = read_budget(entry, f"budgets[{number}]")
        except InvalidInputError as error:
            raise InvalidFileError(f"{path}: {error}") from None
        if budget.name in budgets:
            raise InvalidFileError(
                f"{path}: budgets[{number}].name: {budget.name!r} stands above already"
            )
        budgets[budget.name] = budget
    if not budgets:
        raise InvalidFileError(f"{path}: there is no budget in it")
    return list(budgets.values())


def import_budgets(warehouse: Warehouse, path: Path) -> tuple[int, int]:
    """Write the budgets of a file in one transaction; those that it does not name stay.

    Returns:
        How many are in the file, and how many of them were new or changed.

    Raises:
        InvalidFileError: when the file is not usable; nothing was written then.
    """
    budgets = read_budget_file(path)
    changed = 0
    with warehouse.transaction() as connection:
        lock(connection, "cloud_budgets")
        for budget in budgets:
            thresholds = [{"share": plain(one.share), "by": one.by} for one in budget.thresholds]
            row = connection.execute(
                _WRITE,
                [
                    budget.name,
                    Jsonb(budget.filter_json()),
                    budget.amount_usd,
                    budget.period,
                    budget.cost_basis,
                    Jsonb(thresholds),
                    budget.enabled,
                ],
            ).fetchone()
            if row is None:
                continue
            changed += 1
            details = {
                "name": budget.name,
                "amount_usd": plain(budget.amount_usd),
                "period": budget.period,
                "filter": budget.filter_json(),
                "enabled": budget.enabled,
            }
            action = "cloud_budget.create" if row["is_new"] else "cloud_budget.update"
            connection.execute(_AUDIT, [ACTOR, action, str(row["id"]), Jsonb(details)])
    return len(budgets), changed
