"""A due backup that failed is tried again: neither given up at once nor taken twice."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, in_process_executor

from oco_pipelines.resilience.definitions import build
from oco_pipelines.resilience.kubernetes_gateway import BACKUPS, KubernetesGateway
from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.policy import DrPolicy
from oco_pipelines.resilience.runs import MOST_RUNS
from oco_pipelines.resilience.sensors import run_for
from oco_pipelines.resilience.standin import StandinCluster
from oco_pipelines.resilience.standin.api import Fault
from oco_pipelines.resilience.store import read_policy
from oco_pipelines.resilience.tracker import MOST_ATTEMPTS
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.settings import load_settings

HOUR = timedelta(hours=1)


class Site:
    """A daily policy that is due, and Dagster; times are what the test says they are."""

    def __init__(
        self, instance: DagsterInstance, house: Warehouse, cluster: StandinCluster, policy: DrPolicy
    ) -> None:
        self.instance, self.house, self.policy_id = instance, house, policy.id
        shared = Definitions(
            resources={"warehouse": WarehouseResource(database_url=house.url)},
            executor=in_process_executor,
        )
        found = build(load_settings({"OCO_KUBECONFIG": str(cluster.kubeconfig)}))
        self.job = Definitions.merge(found, shared).resolve_job_def("protect")
        self.now = datetime.now(UTC)

    def asked(self, later: timedelta = timedelta(0)) -> RunRequest | None:
        policy = read_policy(self.house, self.policy_id)
        return run_for(self.instance, self.house, policy, self.now + later)

    def run(self, request: RunRequest | None) -> bool:
        assert request is not None
        return self.job.execute_in_process(
            run_config=request.run_config,
            tags=dict(request.tags),
            instance=self.instance,
            raise_on_error=False,
        ).success

    def attempts(self) -> list[tuple[int, str]]:
        rows = self.house.query(
            "SELECT attempt, phase FROM oco.backup_records WHERE due_at IS NOT NULL ORDER BY 1"
        )
        return [(row["attempt"], row["phase"]) for row in rows]


@pytest.fixture
def site(
    warehouse: Warehouse, cluster: StandinCluster, make_policy: Callable[..., DrPolicy]
) -> Iterator[Site]:
    policy = make_policy(
        schedule_cron="0 0 1 1 *",
        created_at=datetime(datetime.now(UTC).year - 1, 6, 1, tzinfo=UTC),
    )
    with DagsterInstance.ephemeral() as instance:
        yield Site(instance, warehouse, cluster, policy)


def test_a_run_that_failed_before_its_backup_is_asked_for_again_after_a_pause(
    site: Site, cluster: StandinCluster, gateway: KubernetesGateway
) -> None:
    first = site.asked()
    cluster.api.faults.append(Fault(403, method="POST"))
    assert not site.run(first)
    assert site.asked() is None
    second = site.asked(HOUR)
    assert first is not None and second is not None and first.run_key != second.run_key
    assert site.run(second)
    assert site.attempts() == [(1, "Completed")]
    assert len(gateway.list_velero("standin", BACKUPS)) == 1
    assert site.asked(HOUR) is None


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.PARTIALLY_FAILED])
def test_a_backup_that_failed_is_taken_anew_until_its_attempts_are_used_up(
    site: Site, cluster: StandinCluster, gateway: KubernetesGateway, phase: Phase
) -> None:
    cluster.velero.end_backups_in = phase
    keys = []
    for _ in range(MOST_ATTEMPTS):
        request = site.asked(HOUR)
        assert request is not None
        keys.append(request.run_key)
        site.run(request)
    assert site.asked(HOUR) is None
    assert len(set(keys)) == MOST_ATTEMPTS
    assert site.attempts() == [(n + 1, phase) for n in range(MOST_ATTEMPTS)]
    assert len(gateway.list_velero("standin", BACKUPS)) == MOST_ATTEMPTS


def test_no_second_run_while_a_backup_runs_or_its_run_is_live(site: Site) -> None:
    request = site.asked()
    assert request is not None
    live = site.instance.create_run_for_job(
        site.job, tags=dict(request.tags), run_config=request.run_config
    )
    assert site.asked(HOUR) is None
    site.instance.report_run_canceled(live)
    assert site.asked(HOUR) is not None
    site.run(site.asked(HOUR))
    site.house.execute("UPDATE oco.backup_records SET phase = 'InProgress'")
    assert site.asked(HOUR) is None
    site.house.execute("UPDATE oco.backup_records SET vanished_at = now()")
    assert site.asked(HOUR) is not None


def test_runs_that_never_make_a_backup_come_ever_more_rarely_and_end(site: Site) -> None:
    pauses = []
    for _ in range(MOST_RUNS):
        minutes = next(m for m in (0, 2, 3, 5, 9, 17, 33, 61) if site.asked(timedelta(minutes=m)))
        pauses.append(minutes)
        asked = site.asked(timedelta(minutes=minutes))
        assert asked is not None
        run = site.instance.create_run_for_job(site.job, tags=dict(asked.tags))
        site.instance.report_run_failed(run)
    assert site.asked(HOUR * 99) is None
    assert pauses[:8] == [0, 2, 3, 5, 9, 17, 33, 61] and set(pauses[8:]) == {61}
