"""Reads accounts as a file or a request says them: each checked by the rules of its kind. Pure.

What is said may be shown to anybody: it names where a secret is and never what it is.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from oco_warehouse.cloud_accounts import kinds
from oco_warehouse.cloud_accounts.account import Account, Credentials, Origin
from oco_warehouse.errors import InvalidInputError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELDS: Final = ("name", "provider", "kind", "options", "credentials")
_ORIGINS: Final[dict[str, Origin]] = {
    "environment": "environment",
    "file": "file",
    "instance_role": "instance_role",
}
_PART: Final = re.compile(r"[a-z][a-z0-9_]*")
# Names that hold a secret in every cloud, and values that are one whatever they are called.
_SECRET_NAME: Final = re.compile(
    r"secret|passw|token|api_?key|access_?key|account_?key|private_?key|connection_?string"
    r"|credential|(^|_)sas(_|$)",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN|AccountKey=|SharedAccessSignature|[?&]sig="
    r"|\beyJ[A-Za-z0-9_-]{10,}\.|\"private_key\"|://[^/@\s]+:[^/@\s]+@",
    re.IGNORECASE,
)


def parse_accounts(document: object, folder: Path) -> tuple[Account, ...]:
    """The accounts of a document.

    Args:
        document: what YAML made of the file.
        folder: what paths in it are relative to.

    Raises:
        InvalidInputError: one line naming the account and the field.
    """
    if not isinstance(document, dict) or set(document) != {"accounts"}:
        raise InvalidInputError("must have the one field accounts, a list of accounts")
    entries = document["accounts"]
    if not isinstance(entries, list):
        raise InvalidInputError("accounts must be a list")
    accounts: dict[str, Account] = {}
    for number, entry in enumerate(entries, start=1):
        account = _account(number, entry, folder)
        if account.slug in accounts:
            raise InvalidInputError(
                f"account {account.name}: name is used twice (- and _ are the same)"
            )
        accounts[account.slug] = account
    return tuple(accounts.values())


def _account(number: int, entry: object, folder: Path) -> Account:
    if not isinstance(entry, dict):
        raise InvalidInputError(f"account number {number}: must have the fields {_listed(_FIELDS)}")
    name = entry.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidInputError(
            f"account number {number}: name must be up to 63 small letters, digits, - and _, "
            "and begin with a letter or a digit"
        )
    where = f"account {name}"
    _refuse_unknown(where, entry, _FIELDS)
    provider, kind = entry.get("provider"), entry.get("kind")
    known = kinds.kind_names()
    if not isinstance(provider, str) or provider not in known:
        raise InvalidInputError(f"{where}: provider must be one of {_listed(known)}")
    if not isinstance(kind, str) or kind not in known[provider]:
        raise InvalidInputError(
            f"{where}: kind must be one of {_listed(known[provider])} for {provider}"
        )
    options = entry.get("options", {})
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise InvalidInputError(f"{where}: options must be names with values")
    _refuse_secrets(where, "options", options)
    account = Account(
        name,
        provider,
        kind,
        MappingProxyType(options),
        _credentials(where, entry.get("credentials"), folder),
    )
    kinds.rules_of(account).parse(account)
    return account


def _credentials(where: str, entry: object, folder: Path) -> Credentials:
    if not isinstance(entry, dict) or entry.get("from") not in _ORIGINS:
        raise InvalidInputError(
            f"{where}: credentials must say from: one of {_listed(_ORIGINS)}; a secret itself has "
            "no place here"
        )
    origin = _ORIGINS[entry["from"]]
    fields = {key: value for key, value in entry.items() if key != "from"}
    for field, value in fields.items():
        if not isinstance(field, str) or not isinstance(value, str) or not value:
            raise InvalidInputError(f"{where}: credentials.{field} must be a text")
        if _SECRET_VALUE.search(value):
            raise _literal(where, f"credentials.{field}")
    if origin == "environment":
        return Credentials(origin, _variables(where, fields))
    known = ("path", "profile") if origin == "file" else ()
    _refuse_unknown(where, fields, known, prefix="credentials.")
    if origin == "instance_role":
        return Credentials(origin, MappingProxyType({}))
    if "path" not in fields:
        raise InvalidInputError(f"{where}: credentials.path must name the file")
    path = folder / Path(fields["path"]).expanduser()
    return Credentials(origin, MappingProxyType({}), path, fields.get("profile"))


def _variables(where: str, fields: dict[str, str]) -> Mapping[str, str]:
    for field, value in fields.items():
        if _PART.fullmatch(field) is None:
            raise InvalidInputError(f"{where}: credentials.{field} is no name of a credential")
        if _VARIABLE.fullmatch(value) is None:
            raise _literal(where, f"credentials.{field}")
    return MappingProxyType(fields)


def _refuse_secrets(where: str, field: str, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            # A flag or a number may be called anything: it is no secret.
            if isinstance(inner, str) and _SECRET_NAME.search(str(key)):
                raise _literal(where, f"{field}.{key}")
            _refuse_secrets(where, f"{field}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_secrets(where, field, inner)
    elif isinstance(value, str) and _SECRET_VALUE.search(value):
        raise _literal(where, field)


def _literal(where: str, field: str) -> InvalidInputError:
    return InvalidInputError(
        f"{where}: {field} looks like a secret: name the environment variable or the file that "
        "holds it under credentials instead"
    )


def _refuse_unknown(
    where: str, entry: Mapping[Any, object], known: Iterable[str], prefix: str = ""
) -> None:
    known = tuple(known)
    for key in entry:
        if key not in known:
            allowed = f"known are {_listed(known)}" if known else "it takes none"
            raise InvalidInputError(f"{where}: unknown field {prefix}{key}; {allowed}")


def refuse_doubles(accounts: tuple[Account, ...]) -> None:
    """Two accounts that read the same money, in whatever way, would count it twice."""
    money = [(account, kinds.rules_of(account).money(account)) for account in accounts]
    for (one, ours), (other, theirs) in combinations(money, 2):
        for mine in ours:
            for yours in theirs:
                shared = min(len(mine), len(yours))
                if mine[:shared] == yours[:shared]:
                    raise InvalidInputError(
                        f"account {other.name}: reads the costs of {'/'.join(yours)} that account "
                        f"{one.name} reads already, so money would count twice: keep one of them"
                    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
