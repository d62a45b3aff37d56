"""Cloud Custodian's files are read: what runs here, and a line for each filter that cannot."""

import json
from pathlib import Path
from typing import Any

import pytest

from oco_pipelines.policy.policy_file import read_policy_file
from oco_warehouse.errors import InvalidFileError

FILE = """
vars:
  owners: &owners
    - "tag:owner": absent
    - "tag:Owner": absent
policies:
  - name: stopped-long
    resource: ec2
    comment: |
      Nothing is left
      stopped.
    metadata: {severity: critical, owner: platform}
    mode: {type: periodic, schedule: rate(1 day), role: r}
    filters:
      - or: *owners
      - {type: value, key: LaunchTime, value_type: age, op: gt, value: 30}
      - {type: value, key: LaunchTime, value_type: date, op: lt, value: 2026-01-01}
    actions:
      - stop
      - {type: mark-for-op, op: terminate, days: 7}
  - name: live
    resource: aws.ec2
    filters:
      - {type: flow-logs, enabled: false}
      - "tag:owner": absent
      - or: [{type: value, key: a, op: like, value: 1}, {not: [offhour, ssm]}]
      - marked-for-op
  - name: roles
    resource: aws.iam-role
    filters: [{type: unused}]
  - name: per-account
    resource: s3
    filters: [{type: value, key: Name, value: "logs-{account_id}"}]
  - name: stopped-long
    resource: ec2
    filters: [{"State.Name": stopped}]
  - name: somewhere
    resource: ec2
    region: us-east-1
    query: [{instance-state-name: running}]
    filters: [{"State.Name": running}]
"""


def test_what_runs_here_is_read_and_each_filter_that_cannot_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "c7n.yaml"
    path.write_text(FILE)
    read = read_policy_file(path)
    (policy,) = read.policies
    assert (policy.name, policy.severity, policy.owner) == ("stopped-long", "critical", "platform")
    assert policy.description == "Nothing is left stopped."
    assert policy.rules["filters"][0] == {"or": [{"tag:owner": "absent"}, {"tag:Owner": "absent"}]}
    assert policy.rules["filters"][2]["value"] == "2026-01-01"
    assert policy.actions == ["stop", {"type": "mark-for-op", "op": "terminate", "days": 7}]
    assert [note.partition(":")[0] for note in policy.notes] == ["mode", "actions"]
    starts = [
        "policies[1] (live).filters[0].type: flow-logs cannot run here",
        "policies[1] (live).filters[2].or[0].op: must be one of",
        "policies[1] (live).filters[2].or[1].not[0]: offhour cannot run here: it judges",
        "policies[1] (live).filters[2].or[1].not[1]: ssm cannot run here",
        "policies[1] (live).filters[3]: marked-for-op cannot run here",
        "policies[2] (roles).resource: 'aws.iam-role' is not in the inventory",
        "policies[3] (per-account).filters[0].value: {account_id} cannot run here",
        "policies[4].name: 'stopped-long' stands above already",
        "policies[5] (somewhere).query: cannot run here: it asks the cloud",
        "policies[5] (somewhere).region: cannot run here: a policy is about all regions",
    ]
    assert len(read.refused) == len(starts)
    for line, start in zip(read.refused, starts, strict=True):
        assert line.startswith(f"{path}: {start}"), line


@pytest.mark.parametrize(
    ("member", "where"),
    [
        ("name", "policies[0].name"),
        ("description", "policies[0] (x).description"),
        ("actions", "policies[0] (x).actions[0].text"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_path(
    tmp_path: Path, member: str, where: str
) -> None:
    entry: dict[str, Any] = {
        "name": "x",
        "resource": "ec2",
        "filters": [{"a": 1}],
        member: "\ud800",
    }
    if member == "actions":
        entry[member] = [{"type": "stop", "text": "\ud800"}]
    path = tmp_path / "c7n.yaml"
    path.write_text(json.dumps({"policies": [entry]}))
    (line,) = read_policy_file(path).refused
    assert line.startswith(f"{path}: {where}: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policies: {}", "needs a list under `policies`"),
        ("- a", "needs a list under `policies`"),
        ("policies: []", "must be 1 to 1000"),
        ("policies: [a]\nother: 1", "other: is unknown"),
        ("policies:\n  - {name: a, name: b}", "is given twice"),
        ("policies: [", "cannot be read"),
    ],
)
def test_what_is_no_file_of_policies_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c7n.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=said) as refused:
        read_policy_file(path)
    assert "\n" not in str(refused.value)
