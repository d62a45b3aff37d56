"""The API against its own document: schemathesis sends what it allows and what it forbids.

`make fuzz` (or FUZZ_EXAMPLES and FUZZ_SEED) runs far more examples than this suite does.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "4")
SEED = os.environ.get("FUZZ_SEED", "1")
SECONDS = 3600
# Not `positive_data_acceptance`: rules between two members, as those of a budget's period, cannot
# be said in a document.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)


ROWS = """
CREATE SCHEMA marts;
CREATE TABLE marts.fct_cost_daily AS SELECT '2026-05-01'::date AS usage_date, 'llm' AS source,
    'openai' AS provider, 'Models' AS service, 'a' AS account_id, 'r' AS region, 't' AS team,
    'Usage' AS charge_category, 1.25::numeric AS billed_cost_usd;
INSERT INTO oco.reports SELECT kind, '2026-05-01', '2026-05-02', '<p>1</p>', '{"cost_usd": "1"}'
    FROM unnest(ARRAY['daily', 'weekly']) AS kind;
INSERT INTO oco.llm_insights (kind, scope, entity_id, title)
    VALUES ('spend_spike', 'team', 't', 'a spike');
INSERT INTO oco.alerts (kind, dedupe_key, scope, entity_id, title)
    VALUES ('spend_spike', 'k', 'team', 't', 'a spike');
INSERT INTO oco.backup_records (cluster, backup_name, phase) VALUES ('c', 'b', 'Completed');
INSERT INTO oco.dr_namespaces (cluster, namespace, policies, volumes, verdict, reasons, since,
    judged_at) VALUES ('c', 'n', '{}', 1, 'NotCovered', '{none}', now(), now());
INSERT INTO oco.velero_objects (cluster, kind, uid, name, phase, phase_known, phase_since,
    first_seen_at, last_seen_at) VALUES ('c', 'BackupStorageLocation', 'u', 'default', 'Available',
    true, now(), now(), now());
UPDATE oco.backup_records SET usable = true, namespaces = '{a}';
INSERT INTO oco.recovery_plans (backup_id, target_cluster, namespaces)
    SELECT id, 'c', '{a}' FROM oco.backup_records;
INSERT INTO oco.optimization_recommendations (provider, resource_id, resource_type,
    recommendation_type, title, description, estimated_monthly_savings, confidence)
    VALUES ('aws', 'i-1', 'vm', 'idle_instance', 'idle', 'It does nothing', 1.5, 0.9);
INSERT INTO oco.governance_policies (name, policy_type, rules) VALUES ('p', 'tagging',
    '{"resource": "ec2", "filters": [{"tag:owner": "absent"}]}');
INSERT INTO oco.policy_violations (policy_id, resource_id, provider, description, severity)
    SELECT id, 'i-1', 'aws', 'It has no owner', 'warning' FROM oco.governance_policies;
"""


def fill(gateway: Any, headers: dict[str, str]) -> None:
    """Something of everything, so that lists have items and ids exist."""
    for statement in ROWS.split(";\n"):
        gateway.warehouse.execute(statement)
    with httpx.Client(base_url=f"{gateway.url}/api/v1", headers=headers) as client:
        body = {"model": "gpt-4o-mini", "messages": []}
        client.post("/proxy/openai/v1/chat/completions", json=body).raise_for_status()
        scope = {"scope": "agent", "entity_id": "x"}
        for path, more in (
            ("/budgets", {"limit_usd": "1"}),
            ("/routing/policies", {"strategy": "balanced"}),
        ):
            client.post(path, json={**scope, **more}).raise_for_status()
        policy = {"name": "p", "cluster": "c", "namespaces": ["n"], "schedule_cron": "0 * * * *"}
        policy |= {"rpo_target": "2h", "rto_target": "1h"}
        client.post("/dr/policies", json=policy).raise_for_status()
        limit = {**scope, "requests_per_minute": 10}
        client.put("/rate-limits", json=limit).raise_for_status()
        hook = {"name": "n", "kind": "webhook", "target": "https://example.com"}
        client.post("/channels", json=hook).raise_for_status()
        for path in (
            "insights",
            "alerts",
            "reports",
            "backups",
            "recommendations",
            "policies",
            "violations",
        ):
            assert client.get(f"/{path}").json()["items"], path


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_every_operation_answers_as_its_document_says(
    start: Callable[..., Any], admin_headers: dict[str, str], tmp_path: Path
) -> None:
    with start(CEREBRA_LOG_LEVEL="error") as gateway:
        fill(gateway, admin_headers)
        result = run_schemathesis(gateway.url, admin_headers, tmp_path)
    sys.stdout.write(result.stdout)  # how many requests there were; `make fuzz` shows it
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2000:]


def run_schemathesis(
    url: str, headers: dict[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{url}/docs/openapi.json",
            *("--header", f"Authorization: {headers['Authorization']}"),
            *("--phases", "examples,coverage,fuzzing,stateful"),
            *("--checks", ",".join(CHECKS)),
            *("--max-examples", EXAMPLES, "--seed", SEED),
            *("--continue-on-failure", "--no-color", "--no-shrink"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
