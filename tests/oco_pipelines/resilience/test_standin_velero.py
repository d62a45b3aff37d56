"""The simulated Velero does what the real one does to recovery points, the bad things first."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.standin import StandinCluster, standin_clusters
from oco_pipelines.resilience.standin.objects import ApiError, Objects
from oco_pipelines.resilience.standin.resources import BY_KIND
from oco_pipelines.resilience.standin.velero import (
    BACKUPS,
    CONFIGMAPS,
    DELETIONS,
    LOCATIONS,
    NAMESPACE,
    NAMESPACES,
    RESTORES,
    Velero,
)

CLAIMS, VOLUMES = BY_KIND["PersistentVolumeClaim"], BY_KIND["PersistentVolume"]
DOWNLOADS = BY_KIND["DownloadRequest"]


@pytest.fixture
def objects() -> Objects:
    made = Objects()
    for name in (NAMESPACE, "shop"):
        made.create(NAMESPACES, "", {"metadata": {"name": name}})
    location = {"metadata": {"name": "default"}, "spec": {"objectStorage": {"bucket": "default"}}}
    made.create(LOCATIONS, NAMESPACE, location)
    made.create(CONFIGMAPS, "shop", {"metadata": {"name": "prices"}, "data": {"tea": "3"}})
    return made


@pytest.fixture
def velero(objects: Objects) -> Velero:
    server = Velero(objects)
    server.step()
    return server


def steps(velero: Velero, number: int = 8) -> None:
    for _ in range(number):
        velero.step()


@pytest.fixture
def back_up(objects: Objects, velero: Velero) -> Callable[..., dict[str, Any]]:
    def take(name: str = "b", **spec: object) -> dict[str, Any]:
        body = {"metadata": {"name": name}, "spec": {"includedNamespaces": ["shop"], **spec}}
        objects.create(BACKUPS, NAMESPACE, body)
        steps(velero)
        return objects.get(BACKUPS, NAMESPACE, name)

    return take


@pytest.fixture
def restore(objects: Objects, velero: Velero) -> Callable[..., dict[str, Any]]:
    def run(name: str = "r", **spec: object) -> dict[str, Any]:
        body = {"metadata": {"name": name}, "spec": {"backupName": "b", **spec}}
        objects.create(RESTORES, NAMESPACE, body)
        steps(velero)
        status: dict[str, Any] = objects.get(RESTORES, NAMESPACE, name)["status"]
        return status

    return run


Take = Callable[..., dict[str, Any]]


def with_volume(objects: Objects) -> None:
    claim = {"namespace": "shop", "name": "data"}
    volume = {"metadata": {"name": "disk"}, "spec": {"claimRef": claim}}
    objects.create(VOLUMES, "", volume)
    objects.create(
        CLAIMS,
        "shop",
        {
            "metadata": {"name": "data"},
            "spec": {"volumeName": "disk"},
            "status": {"phase": "Bound"},
        },
    )


def data(objects: Objects, namespace: str) -> object:
    return objects.get(CONFIGMAPS, namespace, "prices")["data"]


def test_existing_objects_are_skipped_and_the_restore_says_completed(
    objects: Objects, back_up: Take, restore: Take
) -> None:
    back_up()
    objects.change(CONFIGMAPS, "shop", "prices", lambda body: body.update(data={"tea": "9"}))
    status = restore()
    assert status["phase"] == "Completed"
    assert status["progress"] == {"totalItems": 2, "itemsRestored": 2}
    assert data(objects, "shop") == {"tea": "9"}


def test_policy_update_overwrites_what_exists(
    objects: Objects, back_up: Take, restore: Take
) -> None:
    back_up()
    objects.change(CONFIGMAPS, "shop", "prices", lambda body: body.update(data={"tea": "9"}))
    assert restore(existingResourcePolicy="update")["phase"] == "Completed"
    assert data(objects, "shop") == {"tea": "3"}


def test_unknown_policy_fails_validation(back_up: Take, restore: Take) -> None:
    back_up()
    status = restore(existingResourcePolicy="replace")
    assert (status["phase"], status["validationErrors"]) == (
        "FailedValidation",
        ["Invalid ExistingResourcePolicy: replace"],
    )


def test_a_claim_that_is_mapped_without_its_volume_is_lost(
    objects: Objects, back_up: Take, restore: Take
) -> None:
    with_volume(objects)
    back_up()
    restore(namespaceMapping={"shop": "copy"}, includeClusterResources=False)
    assert objects.get(CLAIMS, "copy", "data")["status"]["phase"] == "Lost"


def test_a_volume_that_is_mapped_comes_back_under_another_name(
    objects: Objects, back_up: Take, restore: Take
) -> None:
    with_volume(objects)
    assert back_up()["status"]["volumeSnapshotsCompleted"] == 1
    restore(namespaceMapping={"shop": "copy"})
    claim = objects.get(CLAIMS, "copy", "data")
    assert claim["status"]["phase"] == "Bound"
    assert claim["spec"]["volumeName"].startswith("velero-clone-")


def test_role_bindings_keep_naming_the_old_namespace(
    objects: Objects, back_up: Take, restore: Take
) -> None:
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": "shop"}
    bindings = BY_KIND["RoleBinding"]
    objects.create(bindings, "shop", {"metadata": {"name": "web"}, "subjects": [subject]})
    back_up()
    restore(namespaceMapping={"shop": "copy"})
    assert objects.get(bindings, "copy", "web")["subjects"] == [subject]


def test_broken_volumes_make_a_backup_partially_failed(
    objects: Objects, velero: Velero, back_up: Take
) -> None:
    with_volume(objects)
    velero.broken_volumes = True
    status = back_up()["status"]
    assert status["phase"] == "PartiallyFailed"
    assert (status["volumeSnapshotsAttempted"], status["volumeSnapshotsCompleted"]) == (1, 0)


def test_expiry_deletes_a_backup_with_its_restores_even_the_last_good_one(
    objects: Objects, velero: Velero, back_up: Take, restore: Take
) -> None:
    back_up(ttl="1h")
    restore()
    objects.skew = timedelta(hours=2)
    steps(velero, 3)
    assert objects.list_all(BACKUPS)[1] == objects.list_all(RESTORES)[1] == []
    [request] = objects.list_all(DELETIONS)[1]
    assert request["status"] == {"phase": "Processed", "errors": []}
    assert velero.bucket == {}


def test_deletion_while_the_location_is_down_is_processed_with_errors(
    objects: Objects, velero: Velero, back_up: Take
) -> None:
    back_up()
    velero.storage.down.add("default")
    request = {"metadata": {"name": "d"}, "spec": {"backupName": "b"}}
    objects.create(DELETIONS, NAMESPACE, request)
    steps(velero, 3)
    status = objects.get(DELETIONS, NAMESPACE, "d")["status"]
    assert status["phase"] == "Processed" and status["errors"]
    assert objects.get(BACKUPS, NAMESPACE, "b")


def test_restart_fails_what_is_in_progress_and_nothing_else(
    objects: Objects, velero: Velero, back_up: Take
) -> None:
    back_up("done")
    objects.create(BACKUPS, NAMESPACE, {"metadata": {"name": "b"}, "spec": {}})
    velero.step()
    velero.restart()
    found = {body["metadata"]["name"]: body["status"] for body in objects.list_all(BACKUPS)[1]}
    assert found["done"]["phase"] == "Completed"
    assert found["b"]["phase"] == "Failed" and "server starting" in found["b"]["failureReason"]


def test_location_that_is_down_fails_backups_for_good_and_is_noticed_when_it_is_back(
    objects: Objects, velero: Velero, back_up: Take
) -> None:
    velero.storage.down.add("default")
    velero.step()
    assert back_up("early")["status"]["phase"] == "FailedValidation"
    velero.storage.down.clear()
    assert back_up("late")["status"]["phase"] == "Completed"
    assert objects.get(BACKUPS, NAMESPACE, "early")["status"]["phase"] == "FailedValidation"


def test_location_of_a_bucket_that_does_not_exist_is_unavailable(
    objects: Objects, velero: Velero
) -> None:
    velero.storage.buckets.add("default")
    broken = {"provider": "p", "objectStorage": {"bucket": "typo"}}
    objects.change(LOCATIONS, NAMESPACE, "default", lambda body: body.update(spec=broken))
    velero.step()
    status = objects.get(LOCATIONS, NAMESPACE, "default")["status"]
    assert status["phase"] == "Unavailable" and "typo" in status["message"]


def test_backups_wait_in_the_queue_of_velero_1_18(objects: Objects, velero: Velero) -> None:
    velero.queues = True
    for name in ("a", "b"):
        objects.create(BACKUPS, NAMESPACE, {"metadata": {"name": name}, "spec": {}})
    seen: dict[str, list[str]] = {"a": [], "b": []}
    for _ in range(14):
        velero.step()
        for body in objects.list_all(BACKUPS)[1]:
            phase, phases = body["status"]["phase"], seen[body["metadata"]["name"]]
            phases += [phase] if phases[-1:] != [phase] else []
    walk = [Phase.QUEUED, Phase.READY_TO_START, Phase.IN_PROGRESS, Phase.WAITING, Phase.FINALIZING]
    assert seen == {"a": [*walk, Phase.COMPLETED], "b": [*walk, Phase.COMPLETED]}


def test_nothing_goes_on_while_velero_is_down(objects: Objects, velero: Velero) -> None:
    velero.paused = True
    objects.create(BACKUPS, NAMESPACE, {"metadata": {"name": "b"}, "spec": {}})
    steps(velero)
    assert "status" not in objects.get(BACKUPS, NAMESPACE, "b")


def test_selector_that_nothing_meets_makes_an_empty_backup_that_says_completed(
    back_up: Take,
) -> None:
    status = back_up(labelSelector={"matchLabels": {"tier": "none"}})["status"]
    assert status["phase"] == "Completed"
    assert status["progress"] == {"totalItems": 0, "itemsBackedUp": 0}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[dict[str, StandinCluster]]:
    """Two clusters that share a bucket, and that step when a test says so."""
    with standin_clusters(
        tmp_path / "kubeconfig",
        ["here", "there"],
        namespaces=["shop"],
        step_seconds=3600,
        sync_seconds=0,
    ) as running:
        yield running


def test_a_backup_appears_in_the_other_cluster_and_vanishes_with_its_files(
    pair: dict[str, StandinCluster],
) -> None:
    here, there = pair["here"], pair["there"]
    body = {"metadata": {"name": "b", "labels": {"a": "b"}}, "spec": {}}
    made = here.objects.create(BACKUPS, NAMESPACE, body)
    steps(here.velero)
    with pytest.raises(ApiError):
        there.objects.get(BACKUPS, NAMESPACE, "b")
    there.velero.step()
    synced = there.objects.get(BACKUPS, NAMESPACE, "b")
    assert synced["status"]["phase"] == "Completed" and synced["metadata"]["labels"]["a"] == "b"
    assert synced["metadata"]["uid"] != made["metadata"]["uid"]
    here.velero.storage.remove(("default", "b"))
    there.velero.step()
    with pytest.raises(ApiError):
        there.objects.get(BACKUPS, NAMESPACE, "b")


def test_nothing_syncs_through_a_location_that_is_unavailable(
    pair: dict[str, StandinCluster],
) -> None:
    pair["there"].velero.set_location("default", "Unavailable")
    pair["there"].velero.step()
    pair["here"].objects.create(BACKUPS, NAMESPACE, {"metadata": {"name": "b"}, "spec": {}})
    steps(pair["here"].velero)
    pair["there"].velero.step()
    assert pair["there"].objects.list_all(BACKUPS)[1] == []


def test_download_request_leads_to_the_resource_list_of_a_backup(
    pair: dict[str, StandinCluster],
) -> None:
    here = pair["here"]
    here.objects.create(CONFIGMAPS, "shop", {"metadata": {"name": "prices"}})
    spec = {"includedNamespaces": ["shop"]}
    here.objects.create(BACKUPS, NAMESPACE, {"metadata": {"name": "b"}, "spec": spec})
    steps(here.velero)
    target = {"kind": "BackupResourceList", "name": "b"}
    request = {"metadata": {"name": "d"}, "spec": {"target": target}}
    here.objects.create(DOWNLOADS, NAMESPACE, request)
    here.velero.step()
    status = here.objects.get(DOWNLOADS, NAMESPACE, "d")["status"]
    assert datetime.fromisoformat(status["expiration"]) > datetime.now(UTC)
    raw = httpx.get(status["downloadURL"], timeout=5).content
    assert json.loads(gzip.decompress(raw)) == {
        "v1/ConfigMap": ["shop/prices"],
        "v1/Namespace": ["shop"],
    }
    assert httpx.get(f"{status['downloadURL']}x", timeout=5).status_code == 404


def refusal(cluster: StandinCluster, plural: str, body: dict[str, Any]) -> str:
    kind = {"backups": "Backup", "restores": "Restore", "schedules": "Schedule"}[plural]
    answer = httpx.post(
        f"{cluster.url}/apis/velero.io/v1/namespaces/velero/{plural}",
        params={"fieldValidation": "Strict"},
        json={"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": "x"}, **body},
        timeout=5,
    )
    return "" if answer.status_code == 201 else str(answer.json()["message"])


@pytest.mark.parametrize(
    ("plural", "body", "wrong"),
    [
        ("backups", {"spec": {"hooks": {"resources": [{}]}}}, "spec.hooks.resources[0].name"),
        ("backups", {"spec": {"labelSelector": {"matchLabel": {}}}}, "spec.labelSelector.matchLab"),
        ("backups", {"status": {"phase": "Brilliant"}}, "status.phase: Unsupported value"),
        ("backups", {"status": {"expiration": "soon"}}, "status.expiration"),
        ("backups", {"metadata": {"name": "Upper"}}, "metadata.name"),
        ("backups", {"metadata": {"name": "x", "labels": {"a": "b" * 64}}}, "at most 63"),
        ("restores", {"spec": {"namespaceMapping": {"a": 1}}}, "spec.namespaceMapping.a"),
        ("restores", {"status": {"phase": "Queued"}}, "status.phase"),
        ("schedules", {"spec": {"schedule": "@daily"}}, "spec.template: Required"),
    ],
)
def test_velero_kinds_refuse_what_the_real_definitions_refuse(
    pair: dict[str, StandinCluster], plural: str, body: dict[str, Any], wrong: str
) -> None:
    assert wrong in refusal(pair["here"], plural, body)


def test_what_only_the_controllers_refuse_is_let_in(pair: dict[str, StandinCluster]) -> None:
    assert refusal(pair["here"], "restores", {"spec": {"existingResourcePolicy": "odd"}}) == ""


def test_pages_come_from_one_snapshot_and_expire(pair: dict[str, StandinCluster]) -> None:
    here = pair["here"]
    for name in ("a", "b", "c"):
        here.objects.create(CONFIGMAPS, "shop", {"metadata": {"name": name}})
    url, page = f"{here.url}/api/v1/namespaces/shop/configmaps", {"limit": "1"}
    first = httpx.get(url, params=page, timeout=5).json()
    here.objects.delete(CONFIGMAPS, "shop", "a")
    again = {**page, "continue": first["metadata"]["continue"]}
    second = httpx.get(url, params=again, timeout=5).json()
    assert [body["metadata"]["name"] for body in second["items"]] == ["b"]
    here.objects.forget_history()
    assert httpx.get(url, params=again, timeout=5).status_code == 410
