"""What is exported is a policy that Cloud Custodian takes."""

from typing import Any

import pytest
from c7n import schema
from c7n.config import Config
from c7n.loader import PolicyLoader
from c7n.resources import load_resources

from oco_pipelines.policy.custodian_export import to_custodian
from oco_warehouse.errors import InvalidInputError


def stored(*filters: Any, resource: str = "aws.ec2", actions: list[Any] | None = None) -> Any:
    return {
        "name": "No owner (EC2)",
        "description": "",
        "policy_type": "tagging",
        "severity": "warning",
        "owner": "platform",
        "rules": {"resource": resource, "filters": list(filters)},
        "actions": actions or [],
    }


@pytest.mark.parametrize("actions", [[], ["stop", {"type": "tag", "key": "a", "value": "b"}]])
def test_cloud_custodian_loads_and_validates_an_exported_policy(actions: list[Any]) -> None:
    policy = to_custodian(
        stored(
            {"tag:owner": "absent"},
            {"or": [{"State.Name": "stopped"}, {"type": "instance-age", "days": 30}]},
            {"type": "metrics", "name": "CPUUtilization", "days": 7, "op": "lt", "value": 5},
            actions=actions,
        )
    )
    load_resources(("aws.ec2",))
    data = {"policies": [policy]}
    assert schema.validate(data) == []
    (loaded,) = PolicyLoader(Config.empty()).load_data(data, "memory://export")
    loaded.validate()
    assert loaded.name == "No-owner-EC2"
    assert policy["actions"] == actions or policy["actions"][0]["type"] == "tag"


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        (stored("cost_last_30d > 5"), "filters[0]: has no equivalent"),
        (stored({"or": [{"a": 1}, {"oco.facts.public": True}]}), "filters[0].or[1]: has no"),
        (stored({"not_null(oco.tags.owner, Name)": "absent"}), "filters[0]: has no equivalent"),
        (
            stored({"type": "value", "key": "Name", "op": "eq", "value_path": "oco.region"}),
            "filters[0]: has no equivalent",
        ),
        (
            stored({"type": "list-item", "key": '"oco".facts.volume_ids', "count": 1}),
            "filters[0]: has no equivalent",
        ),
        (
            stored({"type": "reduce", "group-by": "oco.region", "limit": 1}),
            "filters[0]: has no equivalent",
        ),
        (
            stored({"type": "metrics", "name": "CPUUtilization", "value": 1}, resource="azure.vm"),
            "filters[0]: has no equivalent",
        ),
        (stored({"type": "age", "days": 3}), "filters[0]: has no equivalent"),
        (stored("budget_breached", resource="oco.budget"), "resource: Cloud Custodian has no"),
        (stored({"type": "metrics", "name": "get_requests", "value": 1}), "filters[0]: has no"),
    ],
)
def test_what_cloud_custodian_cannot_do_is_named(policy: Any, where: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        to_custodian(policy)
    assert str(refused.value).startswith(where)


@pytest.mark.parametrize("key", ["tag:oco", "Name.oco", "contains(Name, 'oco')"])
def test_what_is_only_called_like_our_document_is_exported(key: str) -> None:
    assert to_custodian(stored({key: "absent"}))["filters"] == [{key: "absent"}]
