"""The words of the grammar: ops, value types, scopes, and filters that need a live cloud."""

from typing import Final

from oco_warehouse.resource_types import RESOURCE_TYPES

# Cloud Custodian's ops; several spellings are one.
OPS: Final = {
    "eq": "eq",
    "equal": "eq",
    "ne": "ne",
    "not-equal": "ne",
    "gt": "gt",
    "greater-than": "gt",
    "ge": "ge",
    "gte": "ge",
    "lt": "lt",
    "less-than": "lt",
    "le": "le",
    "lte": "le",
    "glob": "glob",
    "regex": "regex",
    "regex-case": "regex-case",
    "in": "in",
    "ni": "ni",
    "not-in": "not-in",
    "contains": "contains",
    "difference": "difference",
    "intersect": "intersect",
    "mod": "mod",
}
COMPARISONS: Final = ("eq", "ne", "gt", "ge", "lt", "le")
REGEX_OPS: Final = ("regex", "regex-case")
VALUE_TYPES: Final = (
    *("age", "integer", "expiration", "normalize", "size", "cidr", "cidr_size", "swap"),
    *("resource_count", "expr", "unique_size", "date", "version", "float"),
)
# Of these the constant is a number of days.
DAY_TYPES: Final = ("age", "expiration")
TAG_TRANSFORMS: Final = (
    *("noop", "capitalize", "lower", "strip", "title", "upper"),
    *("nospaces", "nounderscores", "nodashes"),
)

# Scopes of our own, beside kinds of resources.
ANY_RESOURCE: Final = "oco.resource"
BILLED_RESOURCE: Final = "oco.billed-resource"
COST: Final = "oco.cost"
BUDGET: Final = "oco.budget"
LLM_USAGE: Final = "oco.llm-usage"
RECOVERY_POINT: Final = "oco.recovery-point"
SCOPES: Final = (ANY_RESOURCE, BILLED_RESOURCE, COST, BUDGET, LLM_USAGE, RECOVERY_POINT)
# Scopes whose subjects are made by grouping, and what they may be grouped by.
GROUPINGS: Final = {
    COST: ("provider", "service", "account", "region", "team"),
    LLM_USAGE: ("agent", "team", "user", "org", "provider", "model"),
}
DEFAULT_GROUPING: Final = {COST: ("provider", "account"), LLM_USAGE: ("agent",)}
MEASURES: Final = {
    "cost": (ANY_RESOURCE, BILLED_RESOURCE, COST, LLM_USAGE),
    "spend_change_pct": (ANY_RESOURCE, BILLED_RESOURCE, COST, LLM_USAGE),
    "untagged_spend_share": (COST,),
    "unpriced_share": (LLM_USAGE,),
}

# Dates that Cloud Custodian's filters of age read, by kind of resource.
AGE_DATES: Final = {
    ("aws.ebs-snapshot", "age"): "StartTime",
    ("aws.rds-snapshot", "age"): "SnapshotCreateTime",
    ("aws.ami", "image-age"): "CreationDate",
    ("aws.ec2", "instance-uptime"): "LaunchTime",
    ("aws.ec2", "instance-age"): "volumes",
}
AGE_FILTERS: Final = ("age", "image-age", "instance-age", "instance-uptime")
# CloudWatch's names of what oco.resource_metrics has; others are ours.
METRICS: Final = {
    "CPUUtilization": "cpu_percent",
    "mem_used_percent": "memory_percent",
    "RequestCount": "requests",
    "DatabaseConnections": "connections",
    "BytesOutToDestination": "bytes_out",
    **{
        name: name
        for name in (
            *("cpu_percent", "memory_percent", "network_bytes_per_second", "requests"),
            *("connections", "read_write_bytes_per_second", "bytes_out", "get_requests"),
            *("stored_bytes_standard", "stored_bytes_standard_ia", "stored_bytes_glacier"),
        )
    },
}
# Their average is a count of the interval, so that they can be summed.
COUNTED_METRICS: Final = ("requests", "bytes_out", "get_requests")

# What Cloud Custodian reads of a kind and inventory does not: a policy would take it for missing.
UNREAD: Final = {
    "aws.s3": frozenset(
        (
            *("Acl", "Location", "Logging", "Notification", "Policy", "Replication"),
            *("Versioning", "Website"),
        )
    ),
    "aws.lambda": frozenset(("Environment", "Policy")),
}

# Why well-known filters of Cloud Custodian cannot run on an inventory.
_ASKS: Final = "it asks the cloud when it runs, and only inventory is read here"
_MARKS: Final = "it reads marks that Cloud Custodian's own actions write"
_HOURS: Final = "it judges by the hour at which it runs, and policies are judged at any hour here"
_EVENTS: Final = "it judges events, and there are none here"
REFUSED: Final = {
    "marked-for-op": _MARKS,
    **dict.fromkeys(("offhour", "onhour"), _HOURS),
    **dict.fromkeys(("event", "config-compliance", "missing"), _EVENTS),
    **dict.fromkeys(
        (
            *(
                "flow-logs",
                "check-permissions",
                "has-virtual-mfa",
                "cross-account",
                "security-group",
            ),
            *(
                "subnet",
                "vpc",
                "network-location",
                "image",
                "image-age",
                "unused",
                "used",
                "kms-key",
            ),
            *("kms-alias", "waf-enabled", "wafv2-enabled", "shield-enabled", "health-event"),
            *(
                "consecutive-aws-backups",
                "ssm",
                "ssm-compliance",
                "user-data",
                "termination-protected",
            ),
            *("termination-protection", "ephemeral", "state-age", "default-vpc", "singleton"),
            *("launch-template", "iam-analyzer", "has-statement", "policy", "usage", "credential"),
            *("access-key", "mfa-device", "config", "finding", "ops-item", "json-diff", "locked"),
            *(
                "faces",
                "global-grants",
                "data-events",
                "bucket-encryption",
                "lifecycle",
                "last-write",
            ),
            *(
                "snapshots",
                "snapshot",
                "volume",
                "instance",
                "listener",
                "target-group",
                "instances",
            ),
            *("is-log-target", "is-logging", "is-not-logging", "stopped", "cost-optimization"),
            *(
                "modifyable",
                "upgrade-available",
                "vm-extension",
                "instance-view",
                "effective-firewall",
            ),
            *(
                "diagnostic-settings",
                "firewall-rules",
                "firewall-bypass",
                "backup-status",
                "iam-policy",
            ),
            *("effective-route-table", "scc-findings", "recommend", "quota", "service-limit"),
        ),
        _ASKS,
    ),
}


def resource_type(name: str) -> str:
    """A kind of resource with its provider: Cloud Custodian's `ec2` is `aws.ec2`."""
    return name if "." in name else f"aws.{name}"


def is_known_resource(name: str) -> bool:
    """Whether a rule can be about it."""
    return name in SCOPES or name in RESOURCE_TYPES
