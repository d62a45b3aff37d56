"""Accounts of the API: what may be said there, and how they join those of the file. Pure.

Whoever may call the API need not be who runs the machine: what would send credentials to another
address, or read any file or variable of the machine, can be said in the file alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.reading import parse_accounts, refuse_doubles
from oco_warehouse.errors import ConflictError, InvalidInputError

VARIABLE_PREFIX: Final = "OCO_SOURCE_"
FIELDS: Final = ("name", "provider", "kind", "options", "credentials")
_ADDRESSES: Final = ("endpoint_url", "endpoint", "api_endpoint")


def credentials_folder(home: Path) -> Path:
    """Folder of the files that accounts of the API may name, on the machine of the pipelines."""
    return home.expanduser().absolute() / "credentials"


def parse_stored(entry: Mapping[str, Any], folder: Path) -> Account:
    """An account as the API or its row says it.

    Args:
        entry: FIELDS.
        folder: what files of credentials are in.

    Raises:
        InvalidInputError: one line naming the account and the field.
    """
    (account,) = parse_accounts({"accounts": [{field: entry[field] for field in FIELDS}]}, folder)
    where = f"account {account.name}"
    for name in _ADDRESSES:
        if name in account.options:
            raise InvalidInputError(
                f"{where}: options.{name} says where credentials are sent: it can be set in the "
                "file OCO_SOURCES alone"
            )
    url = account.options.get("url")
    if account.kind == "blob_export" and not str(url).startswith("az://"):
        raise InvalidInputError(
            f"{where}: options.url must be az://CONTAINER/FOLDER; a folder of the machine can be "
            "named in the file OCO_SOURCES alone"
        )
    for part, variable in account.credentials.variables.items():
        if not variable.startswith(VARIABLE_PREFIX):
            raise InvalidInputError(
                f"{where}: credentials.{part} must name a variable that begins with "
                f"{VARIABLE_PREFIX}; others can be named in the file OCO_SOURCES alone"
            )
    path = entry["credentials"].get("path")
    if path is not None and (Path(path).name != path or path in {".", "..", "~"}):
        raise InvalidInputError(
            f"{where}: credentials.path must be the name of a file in the folder credentials of "
            "OCO_HOME; others can be named in the file OCO_SOURCES alone"
        )
    return account


def refuse_clash(account: Account, others: Iterable[Account], of_file: Iterable[str] = ()) -> None:
    """Refuse an account that another one has the name of, or reads the money of.

    Args:
        account: the one that comes.
        others: that are there.
        of_file: names of those of them that the file has.

    Raises:
        ConflictError: one line naming both.
    """
    known = frozenset(of_file)
    for other in others:
        place = "of the file OCO_SOURCES" if other.name in known else "of the API"
        if other.slug == account.slug:
            raise ConflictError(
                f"account {account.name}: an account {place} is called {other.name} already "
                "(- and _ are the same)"
            )
        try:
            refuse_doubles((other, account))
        except InvalidInputError as error:
            raise ConflictError(f"{error} ({other.name} is {place})") from None


def join(
    of_file: Sequence[Account], rows: Iterable[Mapping[str, Any]], folder: Path
) -> tuple[tuple[Account, ...], dict[str, str]]:
    """The accounts of the file and those of the API that go with them.

    The file goes first: one account of the API that clashes must not stop the others.

    Args:
        of_file: accounts of the file.
        rows: of `oco.source_accounts`, the oldest first.
        folder: what files of credentials are in.

    Returns:
        The accounts, and {name of one of the API that is refused: why, in one line}.
    """
    accounts, refused = list(of_file), {}
    names = [account.name for account in of_file]
    for row in rows:
        try:
            account = parse_stored(row, folder)
            refuse_clash(account, accounts, names)
        except (InvalidInputError, ConflictError) as error:
            refused[str(row["name"])] = str(error)
        else:
            accounts.append(account)
    return tuple(accounts), refused
