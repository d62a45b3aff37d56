"""The policies that an empty table begins with: data, in Cloud Custodian's format."""

from pathlib import Path
from typing import Final

from oco_pipelines.policy.policy import Policy
from oco_pipelines.policy.policy_file import read_policy_file
from oco_warehouse.errors import InvalidFileError

FILE: Final = Path(__file__).with_name("policies.yaml")


def starter_policies() -> list[Policy]:
    """The policies that ship.

    Raises:
        InvalidFileError: when one of them is not of the grammar.
    """
    read = read_policy_file(FILE)
    if read.refused:
        raise InvalidFileError(read.refused[0])
    return list(read.policies)
