"""DR policies from a YAML file that a person wrote, and back into one; known by their names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from psycopg import sql
from psycopg.types.json import Jsonb

from oco_warehouse.database import Connection, Warehouse, lock
from oco_warehouse.dr_rules import DrPolicyRule, read_rules
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.strict_yaml import read_yaml

MAX_BYTES: Final = 1024 * 1024
ACTOR: Final = "oco dr policies"
COLUMNS: Final = tuple(DrPolicyRule.model_fields)
_JSON: Final = frozenset({"namespace_selector", "label_selector", "snapshot_options"})
_AUDIT: Final = """
    INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, details)
    VALUES (%s, %s, 'dr_policy', %s, %s)
"""


def read_policy_file(path: Path) -> list[DrPolicyRule]:
    """Policies of a file with a list under `policies`.

    Raises:
        InvalidFileError: naming the file, the policy and what is wrong there.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        content = read_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if not isinstance(content, dict) or not isinstance(content.get("policies"), list):
        raise InvalidFileError(f"{path}: needs a list under `policies`")
    if unknown := [str(key) for key in content if key != "policies"]:
        raise InvalidFileError(f"{path}: {unknown[0]}: is unknown; use policies")
    try:
        rules = read_rules(content["policies"])
    except InvalidInputError as error:
        raise InvalidFileError(f"{path}: {error}") from None
    if not rules:
        raise InvalidFileError(f"{path}: there is no policy in it")
    return rules


def write_policies(rules: Sequence[DrPolicyRule]) -> str:
    """A file's text that `read_policy_file` reads as the same policies."""
    content = {"policies": [rule.written() for rule in rules]}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def stored_rules(warehouse: Warehouse) -> list[DrPolicyRule]:
    """The policies of the warehouse by name.

    Raises:
        InvalidInputError: naming a row that breaks the rules, as one written by SQL may.
    """
    rows = warehouse.query("SELECT * FROM oco.dr_policies ORDER BY name")
    return read_rules([{name: row[name] for name in COLUMNS} for row in rows])


def import_policies(warehouse: Warehouse, path: Path) -> tuple[int, int]:
    """Write the policies of a file in one transaction; those that it does not name stay.

    Returns:
        How many are in the file, and how many of them were new or changed.

    Raises:
        InvalidFileError: when the file is not usable; nothing was written then.
    """
    rules = read_policy_file(path)
    with warehouse.transaction() as connection:
        lock(connection, "dr_policies")
        changed = sum(_write(connection, rule, path) for rule in rules)
    return len(rules), changed


def _write(connection: Connection, rule: DrPolicyRule, path: Path) -> bool:
    known = connection.execute(
        "SELECT * FROM oco.dr_policies WHERE name = %s FOR UPDATE", [rule.name]
    ).fetchone()
    values = rule.values()
    if known is not None and known["cluster"] != rule.cluster:
        # Its backups lie in that cluster, and a due time would be handled in both.
        raise InvalidFileError(
            f"{path}: {rule.name}: cluster: {known['cluster']!r} cannot become {rule.cluster!r}; "
            "give the policy of another cluster another name"
        )
    changes = [n for n in COLUMNS if known is None or known[n] != values[n]]
    if not changes:
        return False
    stored = [
        Jsonb(values[name]) if name in _JSON and values[name] is not None else values[name]
        for name in changes
    ]
    names = list(map(sql.Identifier, changes))
    if known is None:
        statement = sql.SQL("INSERT INTO oco.dr_policies ({}) VALUES ({}) RETURNING id").format(
            sql.SQL(", ").join(names), sql.SQL(", ").join(sql.Placeholder() * len(names))
        )
    else:
        statement = sql.SQL(
            "UPDATE oco.dr_policies SET version = version + 1, {} WHERE name = %s RETURNING id"
        ).format(sql.SQL(", ").join(sql.SQL("{} = %s").format(name) for name in names))
        stored.append(rule.name)
    row = connection.execute(statement, stored).fetchone()
    action = "dr_policy.create" if known is None else "dr_policy.update"
    details = Jsonb({"name": rule.name, "changed": changes})
    connection.execute(_AUDIT, [ACTOR, action, str(row["id"]) if row else "", details])
    return True
