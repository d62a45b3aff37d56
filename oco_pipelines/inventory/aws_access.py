"""Asks the services of an AWS account, politely, and says which permission is missing.

Everything that is listed is read to its last page. Does not belong here: what an answer means.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from oco_pipelines.ingestion.aws_access import Requests, aws_failures, client_of, open_session
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_options import AwsAccess
from oco_warehouse.errors import ConfigurationError, InvalidInputError

# Far below what AWS allows for any of the questions, so that others of the account are not slowed.
REQUESTS_A_SECOND: Final = 20.0
# Resources a page; the most that a service gives where that is less.
PAGE_SIZE: Final = 500
_PAGE_LIMITS: Final[Mapping[str, int]] = {
    "rds": 100, "elasticache": 100, "elb": 400, "elbv2": 400, "lambda": 50,
    "resourcegroupstaggingapi": 100, "s3": 1_000,
}  # fmt: skip
_PREFIXES: Final[Mapping[str, str]] = {
    "elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
}  # fmt: skip
# IAM calls some questions of S3 by other names.
_PERMISSIONS: Final[Mapping[str, str]] = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
}


class Aws:
    """The services of an account in all of its regions.

    Args:
        account: whose credentials.
        access: where; its region is that of questions that have none.
        environment: where secrets of `from: environment` are.
        pace: of all questions together.
        page_size: resources a page, where the service gives as many.

    Raises:
        ConfigurationError: when there are no credentials.
    """

    def __init__(
        self,
        account: Account,
        access: AwsAccess,
        environment: Mapping[str, str] = os.environ,
        pace: Pace | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.account_id = access.account_id
        self.home = access.region
        self.requests = Requests()
        # Permissions that details of the present listing lack.
        self.lacking: dict[str, None] = {}
        self._name = account.name
        self._access = access
        self._pace = pace or Pace(REQUESTS_A_SECOND)
        self._page_size = page_size
        self._session = open_session(account, access, environment)
        self._clients: dict[tuple[str, str], Any] = {}

    def pages(
        self, service: str, region: str, operation: str, **request: Any
    ) -> Iterator[dict[str, Any]]:
        """Every page of a question that AWS answers in pages.

        Raises:
            MissingPermission: naming the action.
            OpenCloudOpsError: as `aws_failures`.
        """
        client = self._client(service, region)
        size = min(self._page_size, _PAGE_LIMITS.get(service, PAGE_SIZE))
        with self._asking(client, service, region, operation):
            pages = iter(
                client.get_paginator(operation).paginate(
                    **request, PaginationConfig={"PageSize": size}
                )
            )
            while (page := self._next(pages)) is not None:
                yield page

    def ask(self, service: str, region: str, operation: str, **request: Any) -> dict[str, Any]:
        """One answer.

        Raises:
            MissingPermission: naming the action.
            OpenCloudOpsError: as `aws_failures`.
        """
        client = self._client(service, region)
        with self._asking(client, service, region, operation):
            self._pace.wait()
            answer: dict[str, Any] = getattr(client, operation)(**request)
            return answer

    def detail(
        self, service: str, region: str, operation: str, **request: Any
    ) -> dict[str, Any] | None:
        """One answer about a resource that is listed already; None when there is none.

        Where it is denied, the permission is noted in `lacking` and not asked for again.
        """
        client = self._client(service, region)
        permission = _permission(client, service, operation)
        if permission in self.lacking:
            return None
        try:
            return self.ask(service, region, operation, **request)
        except MissingPermission as denied:
            self.lacking[denied.permission] = None
        except InvalidInputError:
            # As S3 answers about a bucket that has no such thing.
            pass
        return None

    def identity(self) -> str:
        """ARN of who asks.

        Raises:
            ConfigurationError: when the credentials are none, or of another account.
        """
        client = self._client("sts", self.home)
        with aws_failures(f"account {self._name}: sts:GetCallerIdentity"):
            answer = client.get_caller_identity()
        if answer["Account"] != self.account_id:
            raise ConfigurationError(
                f"account {self._name}: the credentials are of account {answer['Account']}, and "
                f"options.account_id says {self.account_id}: correct one of them, or name a "
                "role_arn of that account"
            )
        return str(answer["Arn"])

    def _next(self, pages: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
        self._pace.wait()
        return next(pages, None)

    def _client(self, service: str, region: str) -> Any:
        key = (service, region)
        if key not in self._clients:
            access = replace(self._access, region=region)
            self._clients[key] = client_of(self._session, access, service, self.requests)
        return self._clients[key]

    @contextmanager
    def _asking(self, client: Any, service: str, region: str, operation: str) -> Iterator[None]:
        permission = _permission(client, service, operation)
        try:
            with aws_failures(f"account {self._name}: {permission} in {region}"):
                yield
        except ConfigurationError as denied:
            raise MissingPermission(str(denied), permission) from None


def _permission(client: Any, service: str, operation: str) -> str:
    action = f"{_PREFIXES.get(service, service)}:{client.meta.method_to_api_mapping[operation]}"
    return _PERMISSIONS.get(action, action)
