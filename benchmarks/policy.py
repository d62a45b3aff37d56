"""How long fifty policies take over the inventory, and what memory: each judges every resource.

Each evaluation is a process of its own, whose peak memory is measured; it reads the resources,
their costs and metrics from PostgreSQL and writes the violations there. In turns, into an empty
table and again into the full one: `--resources` of them, then ten times as many once.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Final

from psycopg.types.json import Jsonb
from rich.console import Console

from benchmarks.report import Figures, arguments, spread, tell
from oco_pipelines.policy.evaluation import evaluate_policies
from oco_warehouse import migrations
from oco_warehouse.database import Warehouse
from oco_warehouse.embedded import embedded_servers
from oco_warehouse.settings import load_settings

POLICIES: Final = 50
_RESOURCE: Final = "aws.ec2"
# Metrics would be most of what is written and nothing of what is measured.
_MEASURED: Final = 100_000
_RESOURCES: Final = """
    INSERT INTO oco.resources (provider, account_id, resource_id, resource_type, resource_name,
        region, state, size, tags, attributes, facts)
    SELECT 'aws', 'account-' || n %% 20, 'i-' || n, 'aws.ec2', 'machine ' || n,
        (ARRAY['eu-west-1', 'eu-central-1', 'us-east-1', 'us-west-2'])[1 + n %% 4],
        (ARRAY['running', 'stopped'])[1 + (n %% 10 = 0)::int], 'm5.large', tags.value,
        jsonb_build_object(
            'InstanceId', 'i-' || n, 'ImageId', 'ami-' || n %% 97,
            'InstanceType', CASE n %% 40
                WHEN 7 THEN 'm4.large' WHEN 9 THEN 'r5.xlarge' ELSE 'm5.large' END,
            'LaunchTime', to_char(timestamp '2026-11-01' - n %% 400 * interval '1 day',
                'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
            'State', jsonb_build_object('Code', 16,
                'Name', (ARRAY['running', 'stopped'])[1 + (n %% 10 = 0)::int]),
            'Placement', jsonb_build_object('AvailabilityZone', 'eu-west-1a', 'Tenancy', 'default'),
            'PrivateIpAddress', '10.' || n %% 250 || '.0.' || n %% 200,
            'PublicIpAddress', CASE WHEN n %% 50 = 0 THEN '52.0.0.1' END,
            'VpcId', 'vpc-' || n %% 13, 'SubnetId', 'subnet-' || n %% 57,
            'Monitoring', jsonb_build_object('State', 'disabled'),
            'MetadataOptions', jsonb_build_object(
                'HttpTokens', (ARRAY['required', 'optional'])[1 + (n %% 33 = 0)::int]),
            'SecurityGroups', jsonb_build_array(
                jsonb_build_object('GroupId', 'sg-' || n %% 31, 'GroupName', 'default')),
            'BlockDeviceMappings', jsonb_build_array(
                jsonb_build_object('DeviceName', '/dev/xvda', 'Ebs', jsonb_build_object(
                    'VolumeId', 'vol-' || n, 'DeleteOnTermination', n %% 20 > 0,
                    'AttachTime', '2026-01-01T00:00:00+00:00')),
                jsonb_build_object('DeviceName', '/dev/xvdb', 'Ebs', jsonb_build_object(
                    'VolumeId', 'vol-b' || n, 'DeleteOnTermination', true,
                    'AttachTime', '2026-02-01T00:00:00+00:00'))),
            'NetworkInterfaces', jsonb_build_array(jsonb_build_object(
                'NetworkInterfaceId', 'eni-' || n, 'Status', 'in-use', 'SourceDestCheck', true)),
            'Tags', (SELECT jsonb_agg(jsonb_build_object('Key', key, 'Value', value))
                     FROM jsonb_each_text(tags.value))),
        jsonb_build_object('created_at', '2026-01-01T00:00:00Z', 'vcpu', 2, 'memory_gib', 8,
            'public', n %% 50 = 0, 'encrypted', n %% 40 > 0)
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object(
        'owner', CASE WHEN n %% 30 > 0 THEN 'team-' || n %% 40 END,
        'team', CASE WHEN n %% 25 > 0 THEN 'team-' || n %% 40 END,
        'env', (ARRAY['prod', 'prod', 'prod', 'prod', 'dev', 'test'])[1 + n %% 6],
        'cost-centre', 'cc-' || n %% 60, 'app', 'app-' || n %% 300)) AS value) AS tags
"""
_COSTS: Final = """
    INSERT INTO oco.cloud_costs (provider, service, resource_id, cost_usd, usd_rate, region,
        account_id, tags, date, billed_cost, effective_cost, list_cost, billing_currency,
        charge_category, charge_period_start, charge_period_end, billing_period_start,
        billing_period_end, billing_account_id, source, source_partition, batch_id, row_hash,
        occurrence, valid_from)
    SELECT 'aws', 'EC2', 'i-' || n, n %% 700, 1, 'eu-west-1', 'account-' || n %% 20, '{}', day,
        n %% 700, n %% 700, n %% 700, 'USD', 'Usage', day, day + 1, '2026-10-01', '2026-11-01',
        'payer', 'bench', 'p', '00000000-0000-0000-0000-000000000001',
        sha256((n || ' ' || day)::bytea), 1, now()
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    CROSS JOIN (VALUES (date '2026-10-05'), (date '2026-10-31')) AS days (day)
"""
_METRICS: Final = """
    INSERT INTO oco.resource_metrics (provider, account_id, resource_id, metric, interval_start,
        interval_seconds, average, maximum, sample_count, source)
    SELECT 'aws', 'account-' || n %% 20, 'i-' || n, 'cpu_percent', '2026-10-31'::date - day, 86400,
        n %% 60, n %% 90, 24, 'bench'
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    CROSS JOIN generate_series(0, 6) AS day
"""


def fill(warehouse: Warehouse, first: int, last: int) -> None:
    """Resources, costs and metrics with the numbers of a range."""
    numbers = {"first": first, "last": last}
    warehouse.execute(
        "INSERT INTO oco.ingestion_batches (id, source, source_partition, status) VALUES "
        "('00000000-0000-0000-0000-000000000001', 'bench', 'p', 'loaded') ON CONFLICT DO NOTHING"
    )
    warehouse.execute(
        "INSERT INTO oco.cloud_cost_days (date, changed_by) "
        "VALUES ('2026-10-31', gen_random_uuid()) ON CONFLICT (date) DO NOTHING"
    )
    warehouse.execute("SELECT oco.ensure_partitions('cloud_costs', '2026-10-01', '2026-10-31')")
    warehouse.execute(_RESOURCES, numbers)
    warehouse.execute(_COSTS, numbers)
    if first <= _MEASURED:
        warehouse.execute(_METRICS, numbers | {"last": min(last, _MEASURED)})
    for table in ("resources", "cloud_costs", "resource_metrics"):
        warehouse.execute(f"ANALYZE oco.{table}")  # type: ignore[arg-type]


def policies() -> Iterator[list[Any]]:  # noqa: C901 - a list
    """The filters of fifty policies, all kinds of them."""
    for key in ("owner", "team", "env", "cost-centre", "app"):
        yield [{f"tag:{key}": "absent"}]
    for number in range(6):
        yield [{"type": "value", "key": "tag:owner", "value": f"team-{number}"}]
    for number in range(4):
        values = [f"ami-{number + step}" for step in range(3)]
        yield [{"type": "value", "key": "ImageId", "op": "in", "value": values}]
    for pattern in (r"^m4\.", r"^[cr]\d\.", "^t1.*", "metal$"):
        yield [{"type": "value", "key": "InstanceType", "op": "regex", "value": pattern}]
    for days in (30, 90, 365, 390):
        age = {"type": "value", "key": "LaunchTime", "value_type": "age", "op": "gt"}
        yield [{"State.Name": "stopped"}, {**age, "value": days}]
    for days in (100, 200, 300):
        yield [{"type": "instance-uptime", "op": "ge", "days": days}, {"tag:env": "dev"}]
    for deleted in (True, False):
        item = {"type": "value", "key": "Ebs.DeleteOnTermination", "value": deleted}
        yield [{"type": "list-item", "key": "BlockDeviceMappings", "attrs": [item], "count": 1}]
    for size in (0, 3, 4):
        tags = {"type": "value", "key": "Tags", "value_type": "size", "op": "le", "value": size}
        yield [tags]
    for network in ("10.1.0.0/16", "10.2.0.0/16", "192.168.0.0/16"):
        address = {"type": "value", "key": "PrivateIpAddress", "value_type": "cidr"}
        yield [{**address, "op": "in", "value": network}]
    for limit in (1200, 1300, 1380, 1390):
        yield [f"cost_last_30d > {limit}"]
    for limit in (10, 20):
        yield [{"tag:team": "absent"}, f"cost_last_7d > {limit}"]
    yield [f"spend_change_pct_last_7d > {5}"]
    yield [{"type": "metrics", "name": "CPUUtilization", "days": 7, "op": "lt", "value": 1}]
    yield [{"type": "value", "key": "oco.facts.encrypted", "value": False}]
    yield [{"type": "value", "key": "oco.facts.public", "value": True}, {"tag:env": "prod"}]
    yield [{"not": [{"MetadataOptions.HttpTokens": "required"}]}]
    yield [{"or": [{"tag:owner": "absent"}, {"tag:team": "absent"}]}, {"State.Name": "running"}]
    groups = {"type": "value", "key": "SecurityGroups[].GroupId", "op": "contains"}
    yield [{**groups, "value": "sg-7"}, {"not": [{"tag:env": "test"}]}]
    yield [
        {**groups, "op": "intersect", "value": ["sg-1", "sg-2"]},
        {"PublicIpAddress": "not-null"},
    ]
    yield [{"type": "value", "key": "length(NetworkInterfaces)", "op": "gt", "value": 1}]
    yield [
        {"tag:env": "dev"},
        {"type": "value", "value_type": "resource_count", "op": "gt", "value": 300},
    ]


def write_policies(warehouse: Warehouse) -> None:
    """Fifty policies about machines."""
    written = [{"resource": _RESOURCE, "filters": filters} for filters in policies()]
    if len(written) != POLICIES:
        raise RuntimeError(f"there are {len(written)} policies, not {POLICIES}")
    for number, rules in enumerate(written):
        warehouse.execute(
            "INSERT INTO oco.governance_policies (name, policy_type, rules) "
            "VALUES (%s, 'bench', %s)",
            [f"policy-{number}", Jsonb(rules)],
        )


def evaluate(url: str) -> tuple[float, float, int]:
    """(seconds, peak MiB of the process, violations) of one evaluation."""
    command = [sys.executable, "-m", "benchmarks.policy", "--evaluate"]
    environment = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    seconds, peak, found = done.stdout.split()
    return float(seconds), float(peak), int(found)


def _evaluate_here() -> None:
    began = time.perf_counter()
    done = evaluate_policies(Warehouse(os.environ["DATABASE_URL"]))
    seconds = time.perf_counter() - began
    if done.failed:
        raise RuntimeError(f"policies failed: {done.failed}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(seconds, peak, done.found)


def main() -> None:
    """Fill a warehouse of its own, evaluate, tell."""
    options = arguments(__doc__, resources=100_000, rounds=3)
    say = Console(stderr=True).print
    figures: Figures = {"resources": options.resources, "policies": POLICIES}
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings({"OCO_HOME": folder})
        with embedded_servers(settings) as servers:
            url = servers.warehouse_url()
            migrations.upgrade(url)
            warehouse = Warehouse(url)
            write_policies(warehouse)
            fill(warehouse, 1, options.resources)
            first, again, peaks = [], [], []
            for turn in range(options.rounds):
                warehouse.execute("TRUNCATE oco.policy_violations")
                for into in (first, again):
                    seconds, peak, found = evaluate(url)
                    into.append(seconds)
                    peaks.append(peak)
                say(f"round {turn + 1}: {first[-1]:.1f} s, again {again[-1]:.1f} s, {found} found")
            figures["violations"] = found
            figures["seconds_100k_x50"] = round(statistics.median(first), 2)
            figures |= spread("seconds_first", first) | spread("seconds_again", again)
            figures["peak_rss_mib_100k"] = round(max(peaks), 1)
            fill(warehouse, options.resources + 1, 10 * options.resources)
            warehouse.execute("TRUNCATE oco.policy_violations")
            seconds, peak, found = evaluate(url)
            say(f"ten times as many: {seconds:.1f} s, {peak:.0f} MiB, {found} found")
            figures["seconds_1m_x50"] = round(seconds, 2)
            figures["peak_rss_mib_1m"] = round(peak, 1)
            figures["violations_1m"] = found
    tell(figures, options.json)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--evaluate", action="store_true")
    if parser.parse_known_args()[0].evaluate:
        _evaluate_here()
    else:
        main()
