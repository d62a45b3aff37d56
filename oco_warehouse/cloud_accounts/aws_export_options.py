"""The options of an account of kind data_export of AWS. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from oco_warehouse.cloud_accounts.account import Account, KindRules
from oco_warehouse.cloud_accounts.aws_options import (
    ACCESS_OPTIONS,
    AwsAccess,
    parse_access,
    refuse_unknown_options,
    text_option,
)
from oco_warehouse.errors import InvalidInputError

OPTIONS: Final = (*ACCESS_OPTIONS, "bucket", "prefix", "export", "since", "ignore_columns")
_PERIOD: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """An export.

    Attributes:
        access: how AWS is reached.
        bucket: where it is delivered.
        folder: of the export in the bucket, ending in a slash.
        export: its name.
        since: first billing period that is read, YYYY-MM; None for all that there are.
        ignore_columns: columns of a FOCUS export that no version of FOCUS has.
    """

    access: AwsAccess
    bucket: str
    folder: str
    export: str
    since: str | None
    ignore_columns: tuple[str, ...]

    @property
    def address(self) -> str:
        """For messages: s3://bucket/folder/."""
        return f"s3://{self.bucket}/{self.folder}"


def parse_export(account: Account) -> ExportOptions:
    """The options of an account of kind data_export.

    Raises:
        InvalidInputError: one line naming the account and the option.
    """
    refuse_unknown_options(account, OPTIONS)
    access = parse_access(account)
    bucket, export = text_option(account, "bucket"), text_option(account, "export")
    if bucket is None or export is None or "/" in bucket + export:
        raise InvalidInputError(
            f"account {account.name}: options.bucket and options.export must name the S3 bucket "
            "and the export, without slashes"
        )
    ignored = account.options.get("ignore_columns", [])
    if not isinstance(ignored, list) or not all(isinstance(name, str) for name in ignored):
        raise InvalidInputError(
            f"account {account.name}: options.ignore_columns must be a list of column names"
        )
    prefix = (text_option(account, "prefix") or "").strip("/")
    folder = f"{prefix}/{export}/" if prefix else f"{export}/"
    since = text_option(account, "since")
    if since is not None and _PERIOD.fullmatch(since) is None:
        raise InvalidInputError(
            f"account {account.name}: options.since must be a billing period, as in '2026-01'"
        )
    return ExportOptions(access, bucket, folder, export, since, tuple(ignored))


def _money(account: Account) -> list[tuple[str, ...]]:
    """The whole bill of the account."""
    return [("aws", parse_export(account).access.account_id)]


RULES: Final = KindRules("aws", "data_export", parse_export, _money)
