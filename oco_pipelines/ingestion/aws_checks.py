"""What an AWS account needs before it can be read, and the policy that grants it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from oco_pipelines.ingestion.aws_access import aws_failures, make_client
from oco_pipelines.ingestion.source_kinds import Finding
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_options import AwsAccess
from oco_warehouse.errors import ConfigurationError, InvalidInputError, OpenCloudOpsError

if TYPE_CHECKING:
    from oco_warehouse.cloud_accounts.aws_ce_options import CostExplorerOptions
    from oco_warehouse.cloud_accounts.aws_export_options import ExportOptions


def check_export(account: Account, options: "ExportOptions") -> list[Finding]:
    """Credentials, the list of deliveries, their manifests, and the first byte of a file."""
    from oco_pipelines.ingestion.aws_export import find_periods
    from oco_pipelines.ingestion.aws_export_manifest import parse_manifest

    identity = check_identity(account, options.access)
    if not identity.ok:
        return [identity]
    client = make_client(account, options.access, "s3")
    policy = export_policy(options)
    found: list[Finding] = [identity]

    def listed() -> str:
        periods = find_periods(account, options, client)
        if not periods:
            raise InvalidInputError(
                f"no manifest of an export called {options.export}; check bucket, prefix and "
                "export. AWS delivers the first one within a day"
            )
        return f"{len(periods)} billing periods, {min(periods)} to {max(periods)}"

    found.append(_try(f"list {options.address}", listed, policy))
    if not found[-1].ok:
        return found

    def readable() -> str:
        period, stored = max(find_periods(account, options, client).items())
        where = f"s3://{options.bucket}/{stored.key}"
        with aws_failures(where):
            answer = client.get_object(Bucket=options.bucket, Key=stored.key)
            manifest = parse_manifest(where, answer["Body"].read(), options.bucket)
        with aws_failures(f"s3://{options.bucket}/{manifest.files[0]}"):
            client.get_object(Bucket=options.bucket, Key=manifest.files[0], Range="bytes=0-0")
        return f"{len(manifest.files)} files of {period}, delivery {manifest.delivery}"

    found.append(_try("read the newest delivery", readable, policy))
    return found


def check_cost_explorer(account: Account, options: "CostExplorerOptions") -> list[Finding]:
    """Credentials, and a question about yesterday of each kind, for which AWS takes a cent each."""
    from oco_warehouse.cloud_accounts.aws_ce_options import PRICE_USD, RESOURCES_REMEDY

    access = options.access
    identity = check_identity(account, access)
    if not identity.ok:
        return [identity]
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    request: dict[str, Any] = {
        "TimePeriod": {"Start": yesterday.isoformat(), "End": today.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
    }

    def answered() -> str:
        client = make_client(account, access, "ce")
        with aws_failures("ce:GetCostAndUsage"):
            client.get_cost_and_usage(**request)
        return f"answers for {yesterday} (this question cost 0.01 USD)"

    def resources_answered() -> str:
        client = make_client(account, access, "ce")
        for service in options.resources:
            with aws_failures(f"ce:GetCostAndUsageWithResources for {service}"):
                client.get_cost_and_usage_with_resources(
                    **request,
                    GroupBy=[{"Type": "DIMENSION", "Key": "RESOURCE_ID"}],
                    Filter={"Dimensions": {"Key": "SERVICE", "Values": [service]}},
                )
        cost = PRICE_USD * len(options.resources)
        return f"answers about {', '.join(options.resources)} (this cost {cost} USD)"

    actions = ["ce:GetCostAndUsage"]
    if options.resources:
        actions.append("ce:GetCostAndUsageWithResources")
    statement = {
        "Effect": "Allow",
        "Action": actions if options.resources else actions[0],
        "Resource": "*",
    }
    policy = (
        "enable Cost Explorer in the console of the payer, and attach this policy to the identity "
        f"above:\n{_policy([statement])}"
    )
    found = [identity, _try("ask Cost Explorer", answered, policy)]
    if options.resources and found[-1].ok:
        found.append(
            _try("ask Cost Explorer about resources", resources_answered, policy, RESOURCES_REMEDY)
        )
    return found


def check_identity(account: Account, access: AwsAccess) -> Finding:
    """Whether there are credentials, and whose they are, the role taken on."""
    remedy = "check credentials of the account"
    if access.role_arn is not None:
        condition = (
            {"Condition": {"StringEquals": {"sts:ExternalId": access.external_id}}}
            if access.external_id
            else {}
        )
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "ARN of the user or role that Open Cloud Ops runs as"},
            "Action": "sts:AssumeRole",
            **condition,
        }
        remedy = (
            f"allow it to take on the role: sts:AssumeRole on {access.role_arn}, and in the trust "
            f"policy of that role:\n{_policy([statement])}"
        )

    def who() -> str:
        client = make_client(account, access, "sts")
        with aws_failures("sts:GetCallerIdentity"):
            return str(client.get_caller_identity()["Arn"])

    return _try("credentials", who, remedy)


def export_policy(options: "ExportOptions") -> str:
    """The IAM policy that reading an export needs, as JSON."""
    return "attach this policy to the identity above:\n" + _policy(
        [
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{options.bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{options.folder}*"}},
            },
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{options.bucket}/{options.folder}*",
            },
        ]
    )


def _try(
    what: str, attempt: Callable[[], str], remedy: str, if_refused: str | None = None
) -> Finding:
    try:
        return Finding(what, ok=True, detail=attempt())
    except ConfigurationError as error:
        return Finding(what, ok=False, detail=str(error), remedy=remedy)
    except InvalidInputError as error:
        return Finding(what, ok=False, detail=str(error), remedy=if_refused or "")
    except OpenCloudOpsError as error:
        # Nothing that a policy would mend.
        return Finding(what, ok=False, detail=str(error))


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
