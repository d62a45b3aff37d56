"""The accounts of the YAML file that OCO_SOURCES names."""

from pathlib import Path

import yaml

from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.reading import parse_accounts, refuse_doubles
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.settings import Settings
from oco_warehouse.strict_yaml import read_yaml


def load_file(settings: Settings) -> tuple[Account, ...]:
    """Every account of the file, each checked by its kind; none without OCO_SOURCES.

    Raises:
        InvalidInputError: one line naming the file, the account and the field.
    """
    path = settings.sources_file
    if path is None:
        return ()
    try:
        accounts = parse_accounts(_read(path), path.expanduser().absolute().parent)
        refuse_doubles(accounts)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    return accounts


def _read(path: Path) -> object:
    try:
        document: object = read_yaml(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"OCO_SOURCES cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InvalidInputError("is no text in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        # Of the message only what it says and where: the quoted lines may hold anything.
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidInputError(f"is no YAML ({error.problem}{line})") from None
    except yaml.YAMLError:
        raise InvalidInputError("is no YAML") from None
    return document
