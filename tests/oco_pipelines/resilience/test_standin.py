"""The stand-in keeps the contract of an API server, as kubectl sees it, too."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.standin.objects import ApiError, Objects, merge_patch
from oco_pipelines.resilience.standin.velero import (
    BACKUPS,
    CONFIGMAPS,
    LOCATIONS,
    NAMESPACE,
    NAMESPACES,
    Velero,
)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A stand-in as a process of its own."""
    path = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "oco_pipelines.resilience.standin", "--kubeconfig", str(path)]
    running = subprocess.Popen(
        [*command, "--step-seconds", "0.05"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("http://127.0.0.1:")
        yield running, path
    finally:
        running.kill()
        running.communicate()


@pytest.fixture
def kubectl(process: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> Kubectl:
    program = shutil.which("kubectl")
    if program is None:
        # An independent client that not every machine has; CI installs it.
        pytest.skip("kubectl is not installed")

    def run(*arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "--kubeconfig", str(process[1]), *arguments],
            input=None if given is None else json.dumps(given),
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def backup(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"tier": "gold"}},
        "spec": {"includedNamespaces": ["default"], "ttl": "1h", **spec},
    }


def test_kubectl_works_with_backups_and_config_maps(kubectl: Kubectl) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    assert kubectl("create", "-f", "-", given={**config_map, "data": {"a": "b"}}).returncode == 0
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.a}").stdout == "b"
    patched = kubectl("patch", "cm", "one", "--type", "merge", "-p", '{"data":{"a":"c"}}')
    assert patched.returncode == 0, patched.stderr
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.a}").stdout == "c"

    created = kubectl("create", "-f", "-", given=backup("first"))
    assert created.returncode == 0, created.stderr
    assert "AlreadyExists" in kubectl("create", "-f", "-", given=backup("first")).stderr
    assert (
        'unknown field "spec.tll"'
        in kubectl("create", "-f", "-", given=backup("bad", tll="1h")).stderr
    )
    assert "spec.ttl" in kubectl("create", "-f", "-", given=backup("bad", ttl=5)).stderr
    ended = ("wait", "--for=jsonpath={.status.phase}=Completed", "backup/first", "-n", NAMESPACE)
    waited = kubectl(*ended, "--timeout=20s")
    assert waited.returncode == 0, waited.stderr
    names = "jsonpath={.items[*].metadata.name}"
    assert kubectl("get", "backups", "-A", "-l", "tier=gold", "-o", names).stdout == "first"
    assert kubectl("get", "backups", "-A", "-l", "tier!=gold", "-o", names).stdout == ""
    assert kubectl("delete", "backup", "first", "-n", NAMESPACE).returncode == 0
    assert "NotFound" in kubectl("get", "backup", "first", "-n", NAMESPACE).stderr


def test_kubectl_watches_patches_and_labels_velero_kinds(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", given=backup("first")).returncode == 0
    patch = '{"status":{"expiration":"2030-01-01T00:00:00Z"}}'
    where = ("backup/first", "-n", NAMESPACE)
    assert kubectl("patch", *where, "--type", "merge", "-p", patch).returncode == 0
    expiration = "jsonpath={.status.expiration}"
    assert kubectl("get", *where, "-o", expiration).stdout == "2030-01-01T00:00:00Z"
    odd = '[{"op":"replace","path":"/status/phase","value":"Odd"}]'
    assert "Unsupported value" in kubectl("patch", *where, "--type", "json", "-p", odd).stderr
    assert kubectl("label", *where, "tier=silver", "--overwrite").returncode == 0
    names = ("get", "backups", "-A", "-l", "tier=silver", "-o", "name")
    assert kubectl(*names).stdout == "backup.velero.io/first\n"
    ended = ("wait", "--for=jsonpath={.status.phase}=Completed", *where, "--timeout=20s")
    assert kubectl(*ended).returncode == 0
    watched = kubectl(
        *("get", "backups", "-n", NAMESPACE, "--watch-only=false", "-w", "-o", "name"),
        "--request-timeout=1s",
    )
    assert "backup.velero.io/first" in watched.stdout


def test_kubectl_applies_and_deletes_built_in_kinds(kubectl: Kubectl) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1},
    }
    assert kubectl("apply", "-f", "-", given=deployment).returncode == 0
    deployment["spec"] = {"replicas": 2}
    applied = kubectl("apply", "-f", "-", given=deployment)
    assert applied.returncode == 0, applied.stderr
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}").stdout == "2"
    assert kubectl("delete", "deploy", "web").returncode == 0
    assert kubectl("create", "namespace", "other").returncode == 0
    assert kubectl("create", "cm", "prices", "--from-literal=tea=3").returncode == 0
    assert kubectl("get", "cm", "prices", "-o", "jsonpath={.data.tea}").stdout == "3"
    assert kubectl("create", "secret", "generic", "s", "--from-literal=a=b").returncode == 0
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}").stdout == "Yg=="
    assert "namespace/other" in kubectl("get", "ns", "-o", "name").stdout


def test_process_ends_cleanly_on_sigterm_and_hides_its_kubeconfig(
    process: tuple[subprocess.Popen[str], Path],
) -> None:
    running, path = process
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0


@pytest.fixture
def objects() -> Objects:
    """A cluster at rest: nothing steps unless a test does it."""
    made = Objects()
    for name in (NAMESPACE, "shop"):
        made.create(NAMESPACES, "", {"metadata": {"name": name}})
    made.create(LOCATIONS, NAMESPACE, {"metadata": {"name": "default"}, "spec": {}})
    return made


@pytest.fixture
def velero(objects: Objects) -> Velero:
    server = Velero(objects)
    server.set_location("default", "Available")
    return server


def test_put_of_an_old_version_is_a_conflict(objects: Objects) -> None:
    old = objects.create(CONFIGMAPS, "shop", {"metadata": {"name": "a"}, "data": {"n": "1"}})
    new = objects.replace(CONFIGMAPS, "shop", "a", {**old, "data": {"n": "2"}})
    assert int(new["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
    with pytest.raises(ApiError, match="modified") as caught:
        objects.replace(CONFIGMAPS, "shop", "a", {**old, "data": {"n": "3"}})
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


def test_history_that_was_compacted_answers_gone(objects: Objects) -> None:
    version = objects.version
    objects.create(CONFIGMAPS, "shop", {"metadata": {"name": "a"}})
    assert [change.type for change in objects.since(version)] == ["ADDED"]
    objects.forget_history()
    with pytest.raises(ApiError) as caught:
        objects.since(version)
    assert caught.value.code == 410


def test_merge_patch_removes_what_is_null() -> None:
    assert merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}}) == {
        "b": {"c": 4, "d": 3}
    }


@pytest.mark.parametrize(
    ("end", "phases"),
    [
        (
            Phase.COMPLETED,
            [Phase.IN_PROGRESS, Phase.WAITING, Phase.FINALIZING, Phase.COMPLETED],
        ),
        (
            Phase.PARTIALLY_FAILED,
            [
                Phase.IN_PROGRESS,
                Phase.WAITING_PARTIALLY_FAILED,
                Phase.FINALIZING_PARTIALLY_FAILED,
                Phase.PARTIALLY_FAILED,
            ],
        ),
        (Phase.FAILED, [Phase.IN_PROGRESS, Phase.FAILED]),
    ],
)
def test_backup_walks_the_real_phases(
    objects: Objects, velero: Velero, end: Phase, phases: list[Phase]
) -> None:
    velero.end_backups_in = end
    objects.create(BACKUPS, NAMESPACE, backup("b"))
    seen = []
    for _ in range(len(phases) + 2):
        velero.step()
        seen.append(objects.get(BACKUPS, NAMESPACE, "b")["status"]["phase"])
    assert seen == [*phases, end, end]


def test_one_backup_runs_at_a_time(objects: Objects, velero: Velero) -> None:
    for name in ("a", "b"):
        objects.create(BACKUPS, NAMESPACE, backup(name))
    velero.step()
    velero.step()
    bodies = objects.list_all(BACKUPS, NAMESPACE)[1]
    assert sum("status" in body for body in bodies) == 1


def test_name_that_is_in_the_bucket_already_ends_failed(objects: Objects, velero: Velero) -> None:
    velero.bucket[("default", "b")] = []
    objects.create(BACKUPS, NAMESPACE, backup("b"))
    velero.step()
    assert objects.get(BACKUPS, NAMESPACE, "b")["status"]["phase"] == "Failed"


def test_watch_reports_changes_from_a_version_on(
    process: tuple[subprocess.Popen[str], Path],
) -> None:
    from kubernetes import client, config, watch

    api = client.CoreV1Api(config.new_client_from_config(str(process[1])))
    version = api.list_namespaced_config_map("default").metadata.resource_version
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "w"}}
    api.create_namespaced_config_map("default", body)
    api.delete_namespaced_config_map("w", "default")
    started = time.monotonic()
    events = [
        event["type"]
        for event in watch.Watch().stream(
            api.list_namespaced_config_map,
            "default",
            resource_version=version,
            timeout_seconds=1,
            _request_timeout=10,
        )
    ]
    assert events == ["ADDED", "DELETED"]
    assert time.monotonic() - started < 8
