"""`oco dr` as a person runs it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from oco_warehouse.database import Warehouse

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FILE = """
policies:
  - name: shop
    cluster: production
    namespaces: [shop, cart]
    schedule_cron: 0 */6 * * *
    time_zone: Europe/Berlin
    retention: 90d
    keep_at_least: 3
    rpo_target: 8h
    rto_target: 30m
  - name: gold
    cluster: production
    namespace_selector: {matchLabels: {tier: gold}}
    schedule_cron: 0 3 * * *
    rpo_target: 26h
    rto_target: 1h
    enabled: false
"""


def test_policies_go_in_and_come_out_as_the_same_file(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path, copy = tmp_path / "policies.yaml", tmp_path / "copy.yaml"
    path.write_text(FILE)
    assert oco("dr", "policies", "import", path).stdout == (
        f"2 DR policies in {path}: 2 new or changed\n"
    )
    assert oco("dr", "policies", "export", copy).returncode == 0
    assert oco("dr", "policies", "import", copy).stdout.endswith(": 0 new or changed\n")
    listed = oco("dr", "policies", "list").stdout
    assert "tier=gold" in listed and "disabled" in listed and "not judged" in listed
    copy.write_text(copy.read_text().replace("90d", "60d"))
    assert oco("dr", "policies", "import", copy).stdout.endswith(": 1 new or changed\n")
    [row] = warehouse.query("SELECT version, retention FROM oco.dr_policies WHERE name = 'shop'")
    assert row["version"] == 2 and row["retention"].days == 60


def test_a_wrong_file_is_one_line_and_writes_nothing(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE.replace("rpo_target: 26h", "rpo_target: 1h"))
    done = oco("dr", "policies", "import", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "policies[1] (gold): rpo_target: 1h is shorter" in done.stderr
    assert done.stderr.count("\n") == 1
    assert warehouse.query("SELECT * FROM oco.dr_policies") == []


def test_a_policy_cannot_move_to_another_cluster(
    oco: Run, tmp_path: Path, warehouse: Warehouse
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE)
    oco("dr", "policies", "import", path)
    path.write_text(FILE.replace("cluster: production", "cluster: another"))
    assert "cannot become 'another'" in oco("dr", "policies", "import", path).stderr
