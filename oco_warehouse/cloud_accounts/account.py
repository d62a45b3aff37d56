"""A cloud account that is read by itself, and what the rules of its kind are. Pure.

Does not belong here: what the options of a kind mean (a module of each), or how a cloud is asked.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from oco_warehouse.errors import ConfigurationError

Origin = Literal["environment", "file", "instance_role"]
INVENTORY: Final = "inventory"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the secret of an account is.

    Attributes:
        origin: `environment`, `file` or `instance_role` (what the cloud gives the machine).
        variables: {part of the credential: environment variable that holds it}, of `environment`;
            none means the variables that the cloud's own SDK reads.
        path: the file of `file`.
        profile: section of that file, where it has several.
    """

    origin: Origin
    variables: Mapping[str, str]
    path: Path | None = None
    profile: str | None = None

    def read_variables(self, account: str, environment: Mapping[str, str]) -> dict[str, str]:
        """{part of the credential: its secret}.

        Raises:
            ConfigurationError: one line naming the account and a variable that is not set.
        """
        for part, variable in self.variables.items():
            if not environment.get(variable):
                raise ConfigurationError(
                    f"account {account}: {part} is to come from the environment variable "
                    f"{variable}, which is not set"
                )
        return {part: environment[variable] for part, variable in self.variables.items()}


@dataclass(frozen=True, slots=True)
class Account:
    """One entry of the file.

    Attributes:
        name: unique, also when - and _ are taken for the same.
        provider: aws, azure or gcp.
        kind: how its costs are read, as in data_export.
        options: of the kind, as the file has them.
        credentials: where its secret is.
    """

    name: str
    provider: str
    kind: str
    options: Mapping[str, Any]
    credentials: Credentials

    @property
    def slug(self) -> str:
        """The name as Dagster allows it in names of its own."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class KindRules:
    """What an account of a kind may say.

    Attributes:
        provider: as accounts name it.
        kind: as accounts name it.
        parse: the account's options, typed; InvalidInputError is `account NAME: options.FIELD …`,
            what is wrong and what to do.
        money: whose costs are read, from the whole to the part: ("aws", payer, linked account). Two
            accounts read the same money when one's words begin with all of another's; such accounts
            are refused.
    """

    provider: str
    kind: str
    parse: Callable[[Account], Any]
    money: Callable[[Account], Collection[tuple[str, ...]]]


def no_money(_: Account) -> Collection[tuple[str, ...]]:
    """Of an inventory, which reads no costs."""
    return ()
