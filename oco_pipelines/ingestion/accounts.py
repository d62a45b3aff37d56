"""The accounts that are read by themselves: those of the file OCO_SOURCES, and those of the API.

Definitions load without a database. So what the API has is kept in a file of OCO_HOME, which a
sensor writes; nothing in it is secret.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.account_file import load_file
from oco_warehouse.cloud_accounts.stored import FIELDS, credentials_folder, join
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings

_KEPT: Final = "api-sources.json"
_log = logging.getLogger(__name__)


def load_accounts(settings: Settings) -> tuple[Account, ...]:
    """Every account of the file, and those of the API as they were last seen. No database.

    An account of the API that clashes with the file is left out, and logged in one line.

    Raises:
        InvalidInputError: one line naming the file, the account and the field. No value of a field
            that may hold a secret is repeated.
    """
    accounts, refused = join(load_file(settings), kept_rows(settings), _folder(settings))
    for line in refused.values():
        _log.warning("%s: it is not read", line)
    return accounts


def kept_rows(settings: Settings) -> list[dict[str, Any]]:
    """What the API had when it was last looked at.

    Raises:
        InvalidInputError: when the file that keeps it is damaged.
    """
    path = kept_file(settings)
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise InvalidInputError(f"{path}: cannot be read; remove it, it is written anew") from None
    return rows


def kept_file(settings: Settings) -> Path:
    """Where that is kept; it is another file after each change."""
    return settings.home.expanduser().absolute() / _KEPT


def stored_accounts(
    settings: Settings, warehouse: Warehouse
) -> tuple[tuple[Account, ...], dict[str, str]]:
    """The accounts of the file and of the API, and {name of a refused one: why}, as they are now.

    Raises:
        InvalidInputError: when the file of accounts is wrong; one line.
    """
    return join(load_file(settings), _rows(warehouse), _folder(settings))


def refresh(settings: Settings, warehouse: Warehouse) -> tuple[bool, list[str]]:
    """Keep what the API has now for who loads definitions, and say there who is refused.

    Returns:
        Whether what is kept changed, and why accounts are refused, a line each.
    """
    rows = _rows(warehouse)
    _, refused = join(load_file(settings), rows, _folder(settings))
    for row in rows:
        warehouse.execute(
            "UPDATE oco.source_accounts SET problem = %s WHERE name = %s "
            "AND problem IS DISTINCT FROM %s",
            [refused.get(row["name"]), row["name"], refused.get(row["name"])],
        )
    changed = rows != kept_rows(settings)
    if changed:
        path = kept_file(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        new.replace(path)
    return changed, list(refused.values())


def _rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    rows = warehouse.query(
        "SELECT name, provider, kind, options, credentials FROM oco.source_accounts "
        "ORDER BY created_at, name"
    )
    return [{field: row[field] for field in FIELDS} for row in rows]


def _folder(settings: Settings) -> Path:
    return credentials_folder(settings.home)
