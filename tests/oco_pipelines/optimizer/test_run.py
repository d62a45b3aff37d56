"""A whole run on a real warehouse: what is planted is found, to the cent, and nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest

from oco_pipelines.optimizer.thresholds import Commitment
from oco_warehouse.database import Warehouse
from oco_warehouse.recommendation_life import COVERED
from tests.oco_pipelines.optimizer.cloud import Cloud
from tests.oco_pipelines.optimizer.world import AS_OF, GIB, ago

OLD = "2026-01-01T00:00:00Z"
CPU, NETWORK, MEMORY = "cpu_percent", "network_bytes_per_second", "memory_percent"


@pytest.fixture
def cloud(warehouse: Warehouse) -> Cloud:
    return Cloud(warehouse)


def plant(cloud: Cloud) -> dict[tuple[str, str], str]:
    """One waste of each kind, and something healthy beside it; the savings to be found."""
    cloud.resource("aws.ec2", "i-idle", state="running", size="m5.large")
    cloud.metric("i-idle", CPU, 1)
    cloud.metric("i-idle", NETWORK, 10)
    cloud.cost("i-idle", "2.4", unit="Hrs")
    cloud.resource("aws.ec2", "i-busy", state="running", size="m5.large")
    cloud.metric("i-busy", CPU, 60)
    cloud.metric("i-busy", NETWORK, 50_000)
    cloud.metric("i-busy", MEMORY, 70)
    cloud.cost("i-busy", "2.4", unit="Hrs")

    stopped = {"stopped_since": "2026-10-20T00:00:00+00:00", "volume_ids": ["vol-1", "vol-2"]}
    cloud.resource("aws.ec2", "i-stopped", state="stopped", facts=stopped)
    for volume in ("vol-1", "vol-2"):
        facts = {"attached": True, "created_at": OLD}
        cloud.resource("aws.ebs", volume, state="in-use", size="gp3", facts=facts)
        cloud.cost(volume, "0.5", unit="GB-Mo", category="Storage")

    loose = {"attached": False, "created_at": OLD}
    cloud.resource("aws.ebs", "vol-loose", state="available", size="gp3", facts=loose)
    cloud.cost("vol-loose", "0.25", unit="GB-Mo", category="Storage")
    cloud.resource("aws.network-addr", "eip-1", facts=loose)
    cloud.cost("eip-1", "0.12", unit="Hrs", category="Networking")

    cloud.resource("aws.app-elb", "alb-idle", state="active")
    cloud.metric("alb-idle", "requests", 2)
    cloud.cost("alb-idle", "0.6", category="Networking")
    cloud.resource("aws.app-elb", "alb-busy", state="active")
    cloud.metric("alb-busy", "requests", 500)
    cloud.cost("alb-busy", "0.6", category="Networking")
    cloud.resource("aws.nat-gateway", "nat-idle", state="available")
    cloud.metric("nat-idle", "bytes_out", 1000)
    cloud.cost("nat-idle", "1.08", category="Networking")
    cloud.resource("aws.rds", "db-idle", state="available", size="db.m5.large")
    cloud.metric("db-idle", "connections", 0)
    cloud.cost("db-idle", "4.1", unit="Hrs", category="Databases")

    gone = {"created_at": OLD, "source_exists": False}
    cloud.resource("aws.ebs-snapshot", "arn:aws:ec2:us-east-1:111:snapshot/snap-old", facts=gone)
    cloud.cost("arn:aws:ec2:us-east-1:111:snapshot/snap-old", "0.1", category="Storage")
    cloud.resource("aws.ebs-snapshot", "arn:aws:ec2:us-east-1:111:snapshot/snap-ami", facts=gone)
    cloud.cost("arn:aws:ec2:us-east-1:111:snapshot/snap-ami", "0.2", category="Storage")
    cloud.resource(
        "aws.ami",
        "ami-1",
        facts={"created_at": OLD, "in_use": False},
        attributes={"BlockDeviceMappings": [{"Ebs": {"SnapshotId": "snap-ami"}}, {"NoDevice": ""}]},
    )

    cloud.resource("aws.ec2", "i-big", state="running", size="m5.4xlarge")
    cloud.metric("i-big", CPU, 30)
    cloud.metric("i-big", NETWORK, 50_000)
    cloud.metric("i-big", MEMORY, 35)
    cloud.cost("i-big", "19.2", unit="Hrs")
    cloud.resource("aws.ec2", "i-office", state="running", size="c5.large")
    cloud.metric("i-office", CPU, 2, busy=60)
    cloud.metric("i-office", NETWORK, 100, busy=60_000)
    cloud.cost("i-office", "2.04", unit="Hrs")
    cloud.resource("aws.ec2", "i-c4", state="running", size="c4.large")
    cloud.cost("i-c4", "2.4", unit="Hrs")
    cloud.resource("aws.s3", "archive")
    cloud.metric("archive", "stored_bytes_standard", 1000 * GIB)
    cloud.metric("archive", "get_requests", 0)
    cloud.cost("archive", "0.75", unit="GB-Mo", category="Storage")
    return {
        ("idle_database", "db-idle"): "123.00",
        ("idle_instance", "i-idle"): "72.00",
        ("idle_load_balancer", "alb-idle"): "18.00",
        ("idle_nat_gateway", "nat-idle"): "32.40",
        ("obsolete_image", "ami-1"): "6.00",
        # 118 hours: nights of working days are 4 × 14, and from Friday evening to Monday 62.
        ("off_hours", "i-office"): "42.98",  # 0.085 × 118 × 30 / 7
        ("old_snapshot", "arn:aws:ec2:us-east-1:111:snapshot/snap-old"): "3.00",
        ("previous_generation", "i-c4"): "10.95",  # (0.1 − 0.085) × 730
        ("rightsize_instance", "i-big"): "292.00",  # (0.8 − 0.4) × 730
        ("stopped_instance", "i-stopped"): "30.00",
        ("storage_class", "archive"): "9.00",  # 22.50 × 40 %
        ("unattached_volume", "vol-loose"): "7.50",
        ("unused_address", "eip-1"): "3.60",
    }


def test_every_planted_waste_is_found_to_the_cent_and_nothing_else(cloud: Cloud) -> None:
    expected = plant(cloud)
    run = cloud.run()
    assert cloud.said() == expected
    assert run.written.opened == len(expected)
    assert run.total_usd == sum(row["estimated_monthly_savings"] for row in cloud.rows())


def test_a_second_run_makes_no_row_and_changes_no_status(cloud: Cloud) -> None:
    plant(cloud)
    cloud.run()
    before = cloud.rows()
    again = cloud.run(AS_OF + timedelta(hours=6))
    after = cloud.rows()
    assert again.written.opened == again.written.expired == 0
    same = ("id", "status", "life", "version", "created_at", "estimated_monthly_savings")
    assert [[row[name] for name in same] for row in before] == [
        [row[name] for name in same] for row in after
    ]


def test_batches_of_any_size_say_the_same(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from oco_pipelines.optimizer.evidence import Evidence

    expected = plant(cloud)
    monkeypatch.setattr(Evidence.batches, "__defaults__", (3,))
    cloud.run()
    assert cloud.said() == expected


def test_use_that_never_stops_is_committed_to_where_it_is_busy_past_break_even(
    cloud: Cloud,
) -> None:
    # 1 dollar an hour always, and 1 more in the first half of each day.
    cloud.resource("aws.ec2", "i-steady", state="running")
    cloud.cost("i-steady", "1", unit="Hrs", hours=1, days=95)
    cloud.cost("i-half", "1", unit="Hrs", hours=1, days=95)
    cloud.warehouse.execute(
        "DELETE FROM oco.cloud_costs WHERE resource_id = 'i-half' "
        "AND extract(hour FROM charge_period_start AT TIME ZONE 'UTC') >= 12"
    )
    cloud.run()
    # Break-even is 73 %: the second dollar is there half of the time. 1 × 27 % × 720.
    assert cloud.said() == {("commitment", "commitment/EC2/us-east-1"): "194.40"}
    (row,) = cloud.rows()
    assert row["evidence"]["simulated_coverage"] == "0.6667"
    assert row["evidence"]["simulated_utilisation"] == "1.0000"
    assert row["evidence"]["history_days"] == 90


@pytest.mark.parametrize(("hours", "saved"), [(24, "194.40"), (12, None)])
def test_days_are_committed_on_only_where_they_are_whole(
    cloud: Cloud, hours: int, saved: str | None
) -> None:
    """$1 an hour for 12 hours a day is no $0.50 always: that would idle half the time."""
    cloud.cost("i-1", str(hours), unit="Hrs", quantity=hours, days=95)
    cloud.run()
    assert cloud.said().get(("commitment", "commitment/EC2/us-east-1")) == saved


def test_less_than_ninety_days_are_not_committed_on(cloud: Cloud) -> None:
    cloud.cost("i-steady", "1", unit="Hrs", hours=1, days=89)
    cloud.run()
    assert cloud.said() == {}
    cloud.run(commitment=Commitment(history_days=60))
    assert list(cloud.said()) == [("commitment", "commitment/EC2/us-east-1")]


def test_what_should_be_switched_off_is_not_committed_to(cloud: Cloud) -> None:
    cloud.resource("aws.ec2", "i-idle", state="running")
    cloud.metric("i-idle", CPU, 1)
    cloud.metric("i-idle", NETWORK, 10)
    cloud.cost("i-idle", "1", unit="Hrs", hours=1, days=95)
    cloud.run()
    assert cloud.said() == {("idle_instance", "i-idle"): "720.00"}


def plant_quiet_machine(cloud: Cloud) -> None:
    """One that is idle, and too large as well."""
    cloud.resource("aws.ec2", "i-1", state="running", size="m5.4xlarge")
    for name, value in ((CPU, 1), (NETWORK, 10), (MEMORY, 30)):
        cloud.metric("i-1", name, value)
    cloud.cost("i-1", "19.2", unit="Hrs")


def test_what_was_dismissed_leaves_its_money_to_others(cloud: Cloud) -> None:
    plant_quiet_machine(cloud)
    cloud.run()
    assert list(cloud.said()) == [("idle_instance", "i-1")]
    cloud.warehouse.execute(
        "UPDATE oco.optimization_recommendations SET status = 'dismissed', status_reason = 'needed'"
    )
    cloud.run(AS_OF + timedelta(hours=6))
    assert cloud.said()["rightsize_instance", "i-1"] == "292.00"
    assert {row["status"] for row in cloud.rows()} == {"dismissed", "open"}


def test_what_is_open_keeps_its_money_until_it_expires(cloud: Cloud) -> None:
    plant_quiet_machine(cloud)
    cloud.run()
    for day in (1, 4):
        now = AS_OF + timedelta(days=day)
        days = 1 if day == 1 else 3
        for name, value in ((CPU, 30), (NETWORK, 9000), (MEMORY, 30)):
            cloud.metric("i-1", name, value, days=days, until=now)
        cloud.cost("i-1", "19.2", unit="Hrs", days=days, until=now)
        cloud.run(now)
        standing = [row for row in cloud.rows() if row["status"] == "open"]
        # All three would be more than the machine costs.
        assert [row["recommendation_type"] for row in standing] == (
            ["idle_instance"] if day == 1 else ["off_hours", "rightsize_instance"]
        )
        assert sum(row["estimated_monthly_savings"] for row in standing) <= 576


def test_a_schedule_is_netted_against_a_smaller_size(cloud: Cloud) -> None:
    cloud.resource("aws.ec2", "i-1", state="running", size="m5.4xlarge")
    cloud.metric("i-1", CPU, 2, busy=30)
    cloud.metric("i-1", NETWORK, 100, busy=9000)
    cloud.metric("i-1", MEMORY, 30)
    cloud.cost("i-1", "19.2", unit="Hrs")
    cloud.run()
    rows = {row["recommendation_type"]: row for row in cloud.rows()}
    assert rows["rightsize_instance"]["estimated_monthly_savings"] == 292
    alone = rows["off_hours"]["savings_alone"]
    # 0.8 × 118 × 30 / 7 alone; beside the smaller size half of it.
    assert str(alone) == "404.57"
    assert str(rows["off_hours"]["estimated_monthly_savings"]) == "202.28"


def test_members_of_a_group_that_could_be_spot_are_not_committed_to(cloud: Cloud) -> None:
    for place in range(12):
        name = f"i-{place}"
        cloud.resource("aws.ec2", name, size="c5.large", facts={"autoscaling_group": "render"})
        cloud.cost(name, "0.3", unit="Hrs", hours=3, days=1, until=AS_OF - timedelta(days=place))
    cloud.cost("i-steady", "1", unit="Hrs", hours=1, days=95)
    cloud.warehouse.execute(
        "DELETE FROM oco.cloud_costs WHERE resource_id <> 'i-steady' "
        "AND extract(hour FROM charge_period_start AT TIME ZONE 'UTC') >= 3"
    )
    cloud.run()
    said = cloud.said()
    # The newest two days have not settled: ten machines of 0.3 in 14 days, 60 % less, 5 % again.
    assert said["spot_instance", "autoscaling-group/render"] == "3.72"
    assert said["commitment", "commitment/EC2/us-east-1"] == "194.40"


@pytest.mark.parametrize(
    "attributes",
    [
        {"MultiAttachEnabled": True},
        {"properties": {"maxShares": 2}},
        {"users": ["instances/a", "instances/b"]},
    ],
)
def test_a_disk_that_another_machine_may_use_does_not_go_with_a_stopped_one(
    cloud: Cloud, attributes: dict[str, object]
) -> None:
    facts = {"stopped_since": ago(10).isoformat(), "volume_ids": ["vol-shared", "vol-own"]}
    cloud.resource("aws.ec2", "i-stopped", state="stopped", facts=facts)
    for name, document in (("vol-shared", attributes), ("vol-own", {"users": ["i-stopped"]})):
        cloud.resource("aws.ebs", name, facts={"attached": True}, attributes=document)
        cloud.cost(name, "0.5", category="Storage")
    assert found(cloud) == {("stopped_instance", "i-stopped"): "15.00"}


def snapshot(cloud: Cloud, name: str, source: str, days: int, usd: str) -> str:
    facts = {"created_at": ago(days).isoformat(), "source_id": source, "source_exists": False}
    cloud.resource("aws.ebs-snapshot", f"snapshot/{name}", facts=facts)
    cloud.cost(f"snapshot/{name}", usd, category="Storage")
    return f"snapshot/{name}"


def test_blocks_that_a_kept_snapshot_shares_are_not_saved(cloud: Cloud) -> None:
    """The first of a disk is billed for all of it, those after it for what changed."""
    whole = [snapshot(cloud, f"a{days}", "vol-a", days, "0.5") for days in (60, 50, 37)]
    for days in (60, 50, 36):
        snapshot(cloud, f"b{days}", "vol-b", days, "0.5")
    assert {place for _, place in found(cloud)} == set(whole)


@pytest.mark.parametrize(("newer_in_use", "saved"), [(False, {"ami-1", "ami-2"}), (True, set())])
def test_an_image_saves_nothing_of_what_a_newer_one_in_use_shares(
    cloud: Cloud, newer_in_use: bool, saved: set[str]
) -> None:
    for number, days in ((1, 120), (2, 100)):
        snapshot(cloud, f"snap-{number}", "vol-a", days, "0.5")
        cloud.resource(
            "aws.ami", f"ami-{number}",
            facts={"created_at": ago(days).isoformat(), "in_use": newer_in_use and number == 2},
            attributes={"BlockDeviceMappings": [{"Ebs": {"SnapshotId": f"snap-{number}"}}]},
        )  # fmt: skip
    assert {place for _, place in found(cloud)} == saved


def found(cloud: Cloud) -> dict[tuple[str, str], str]:
    cloud.run()
    return cloud.said()


def unseen(cloud: Cloud, days: int) -> None:
    """The account is listed, and no listing has had any of its resources for so long."""
    cloud.warehouse.execute(
        "INSERT INTO oco.inventory_listings (source, provider, account_id, region, resource_type, "
        "status, permission, problem, resources) VALUES ('main', 'aws', '111', 'us-east-1', "
        "'aws.ebs', 'denied', 'ec2:DescribeVolumes', 'it is denied', 0) ON CONFLICT DO NOTHING"
    )
    cloud.warehouse.execute(
        "UPDATE oco.resources SET last_seen_at = %s", [AS_OF - timedelta(days=days)]
    )


def loose_volume(cloud: Cloud, name: str) -> None:
    loose = {"attached": False, "created_at": OLD}
    cloud.resource("aws.ebs", name, state="available", size="gp3", facts=loose)
    cloud.cost(name, "0.25", unit="GB-Mo", category="Storage")


def test_what_no_listing_has_seen_for_days_gets_nothing_new_and_keeps_what_is_open(
    cloud: Cloud,
) -> None:
    loose_volume(cloud, "vol-1")
    cloud.run()
    loose_volume(cloud, "vol-2")
    unseen(cloud, days=4)
    for days in (0, 40):
        run = cloud.run(AS_OF + timedelta(days=days))
        assert not run.found
    (row,) = cloud.rows()
    assert (row["resource_id"], row["status"], row["missed_since"]) == ("vol-1", "open", None)
    # Nor is it known any more whether the claim is still true.
    (claim,) = cloud.warehouse.query("SELECT basis FROM oco.recommendation_outcomes")
    assert claim["basis"] is None
    unseen(cloud, days=0)
    cloud.run()
    assert [row["resource_id"] for row in cloud.rows()] == ["vol-1", "vol-2"]


def test_what_others_have_all_of_ends_without_being_a_miss(cloud: Cloud) -> None:
    cloud.resource("aws.ec2", "i-1", state="running", size="c4.large")
    cloud.cost("i-1", "2.4", unit="Hrs")
    cloud.run()
    # It idles as well: removing it takes all of what a newer generation would save.
    cloud.metric("i-1", CPU, 1)
    cloud.metric("i-1", NETWORK, 10)
    for days in (0, 4):
        cloud.run(AS_OF + timedelta(days=days))
    idle, newer = cloud.rows()
    assert (idle["recommendation_type"], idle["status"]) == ("idle_instance", "open")
    assert (newer["status"], newer["status_reason"]) == ("expired", COVERED)
    (claim,) = cloud.warehouse.query(
        "SELECT basis, hit FROM oco.recommendation_outcomes WHERE recommendation_id = %s",
        [newer["id"]],
    )
    assert claim == {"basis": "no_evidence", "hit": None}


def test_unused_commitments_of_the_newest_week_are_used_before_another_is_bought(
    cloud: Cloud,
) -> None:
    cloud.resource("aws.ec2", "i-steady", state="running")
    cloud.cost("i-steady", "24", unit="Hrs", days=95)
    # A month's line for what was left of a reservation: 0.365 an hour, as much as half a dollar.
    cloud.cost("ri-1", "262.80", hours=720, days=30, commitment="Unused")
    cloud.cost("ri-old", "9.99", days=40, until=ago(20), commitment="Unused")
    cloud.run()
    (row,) = cloud.rows()
    assert row["estimated_monthly_savings"] == Decimal("97.20")
    assert row["evidence"]["unused_commitments_usd_an_hour"] == "0.365000"
    assert "beside what the $0.36 an hour of commitments that nothing uses" in row["description"]
