"""Velero's part of the stand-in: a server that steps backups and restores through their phases.

A backup really copies the objects of its namespaces, a restore really makes them again. As the
real one, it runs one backup at a time and never says why a backup is slow.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from oco_pipelines.resilience.phases import Phase, has_ended
from oco_pipelines.resilience.standin.backing_up import collect, volumes
from oco_pipelines.resilience.standin.objects import ApiError, Objects, timestamp
from oco_pipelines.resilience.standin.resources import BY_KIND, Json, Resource
from oco_pipelines.resilience.standin.restoring import put_back
from oco_pipelines.resilience.standin.storage import Storage
from oco_pipelines.resilience.standin.upkeep import Upkeep, span
from oco_pipelines.resilience.standin.validation import backup_problems, restore_problems

NAMESPACE: Final = "velero"
BACKUPS, RESTORES, LOCATIONS, DELETIONS, NAMESPACES, CONFIGMAPS = (
    BY_KIND[kind]
    for kind in (
        "Backup",
        "Restore",
        "BackupStorageLocation",
        "DeleteBackupRequest",
        "Namespace",
        "ConfigMap",
    )
)
DEFAULT_TTL: Final = "720h"
_FOLLOW: Final = {
    Phase.WAITING: Phase.FINALIZING,
    Phase.WAITING_PARTIALLY_FAILED: Phase.FINALIZING_PARTIALLY_FAILED,
    Phase.FINALIZING: Phase.COMPLETED,
    Phase.FINALIZING_PARTIALLY_FAILED: Phase.PARTIALLY_FAILED,
}
# A backup that waits in Velero 1.18's queue is in one of these.
_WAITS: Final = frozenset({"", Phase.NEW, Phase.QUEUED})


@dataclass(slots=True)
class Velero:
    """A simulated Velero server over the objects of a cluster.

    Attributes:
        objects: the cluster's.
        step_seconds: how long each phase lasts.
        end_backups_in: phase that the next backups end in.
        storage: the object storage; clusters that share it see each other's backups.
        queues: whether backups wait in a queue first, as from 1.18 on.
        paused: whether the server is down: nothing goes on, nothing is marked.
        sync_seconds: how often it is noticed that backups came to or vanished from the storage.
        broken_volumes: whether volumes are neither backed up whole nor restored usable.
        lost: kind/namespace/name of objects that restores leave out without a word.
        refused: likewise of objects that the cluster refuses to restores.
        upkeep: everything beside backups and restores.
    """

    objects: Objects
    step_seconds: float = 0.05
    end_backups_in: Phase = Phase.COMPLETED
    storage: Storage = field(default_factory=Storage)
    queues: bool = False
    paused: bool = False
    sync_seconds: float = 60.0
    broken_volumes: bool = False
    lost: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    upkeep: Upkeep = field(init=False)
    _next_sync: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Begin with what is beside backups and restores."""
        self.upkeep = Upkeep(self.objects, self.storage, NAMESPACE)

    @property
    def bucket(self) -> dict[tuple[str, str], list[Json]]:
        """What each backup holds, by (bucket, backup name)."""
        return self.storage.contents

    @bucket.setter
    def bucket(self, contents: dict[tuple[str, str], list[Json]]) -> None:
        self.storage.contents = contents

    def run(self) -> None:
        """Step until `stop`."""
        while not self._stop.wait(self.step_seconds):
            # What was changed under our hands is looked at again, as a controller does.
            with suppress(ApiError):
                self.step()

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    def restart(self) -> None:
        """What a new server does first: whatever was in progress has failed."""
        for resource in (BACKUPS, RESTORES):
            for body in self.objects.list_all(resource, NAMESPACE)[1]:
                if _phase(body) == Phase.IN_PROGRESS:
                    reason = (
                        f'found a {resource.singular} with status "InProgress" during the server '
                        'starting, mark it as "Failed"'
                    )
                    failed: Json = {"phase": Phase.FAILED, "failureReason": reason}
                    failed["completionTimestamp"] = self._at()
                    self._status(resource, body["metadata"]["name"], failed)

    def step(self) -> None:
        """Move the one backup and the one restore that are in work by a phase, and all the rest."""
        if self.paused:
            return
        self.upkeep.look_at_locations()
        if time.monotonic() >= self._next_sync:
            self._next_sync = time.monotonic() + self.sync_seconds
            self.upkeep.sync()
        for resource, move in ((BACKUPS, self._backup), (RESTORES, self._restore)):
            bodies = self.objects.list_all(resource, NAMESPACE)[1]
            waiting = [body for body in bodies if not has_ended(_phase(body))]
            if resource == BACKUPS and self.queues:
                self._queue(waiting)
            # The one in work goes on before a new one starts.
            waiting.sort(
                key=lambda body: (_phase(body) in _WAITS, body["metadata"]["creationTimestamp"])
            )
            if waiting:
                self._guarded(waiting[0], move)
        self.upkeep.expire()
        self.upkeep.answer_requests(self._guarded)

    def set_location(self, name: str, phase: str) -> None:
        """Make a storage location Available or Unavailable, whatever its bucket does."""
        patch = {"phase": phase, "lastValidationTime": self._at()}
        self._status(LOCATIONS, name, patch)

    def _guarded(self, body: Json, move: Callable[[Json], None]) -> None:
        try:
            move(body)
        except ApiError as error:
            if error.code != 404:
                raise
            # Deleted under our hands: nothing is left to step.

    def _queue(self, waiting: list[Json]) -> None:
        ahead = sum(_phase(body) == Phase.QUEUED for body in waiting)
        for body in waiting:
            if _phase(body) in {"", Phase.NEW}:
                ahead += 1
                queued = {"phase": Phase.QUEUED, "queuePosition": ahead}
                self._status(BACKUPS, body["metadata"]["name"], queued)

    def _backup(self, body: Json) -> None:
        name, spec, phase = body["metadata"]["name"], body.get("spec") or {}, _phase(body)
        location = spec.get("storageLocation") or "default"
        if phase in _WAITS and self.queues:
            # One of the queue is taken out of it in the step after the one that put it there.
            if phase == Phase.QUEUED:
                self._status(BACKUPS, name, {"phase": Phase.READY_TO_START})
        elif phase in _WAITS | {Phase.READY_TO_START}:
            self._start(body, location)
        elif phase == Phase.IN_PROGRESS:
            self._take(name, spec, location)
        else:
            self._finish(BACKUPS, name, phase)
            self.upkeep.publish(name)

    def _start(self, body: Json, location: str) -> None:
        name, spec = body["metadata"]["name"], body.get("spec") or {}
        problems = [*backup_problems(spec), *self.upkeep.location_problems(location, writes=True)]
        if problems:
            refused = {"phase": Phase.FAILED_VALIDATION, "validationErrors": problems}
            self._status(BACKUPS, name, refused)
            return
        now = self.objects.now()
        # Anything under the name counts, whoever put it there.
        taken = self.upkeep.place(location, name) in self.storage.contents
        started = {
            "version": 1,
            "formatVersion": "1.1.0",
            "phase": Phase.FAILED if taken else Phase.IN_PROGRESS,
            "startTimestamp": timestamp(now),
            "expiration": timestamp(now + span(spec.get("ttl") or DEFAULT_TTL)),
        }
        if taken:
            started["failureReason"] = f"backup already exists in object storage: {name}"
        self.upkeep.mark(name, location)
        self._status(BACKUPS, name, started)

    def _take(self, name: str, spec: Json, location: str) -> None:
        problems = self.upkeep.location_problems(location, writes=True)
        if problems:
            failed: Json = {"phase": Phase.FAILED, "failureReason": "error uploading backup"}
            self._status(BACKUPS, name, {**failed, "completionTimestamp": self._at()})
            return
        held = collect(self.objects, spec)
        self.storage.contents[self.upkeep.place(location, name)] = held
        status: Json = {"progress": {"totalItems": len(held), "itemsBackedUp": len(held)}}
        with_volumes = spec.get("snapshotVolumes") is not False
        attempted = len(volumes(held)) if with_volumes else 0
        completed = 0 if self.broken_volumes else attempted
        moved = "backupItemOperations" if spec.get("snapshotMoveData") else "volumeSnapshots"
        if attempted:
            status |= {f"{moved}Attempted": attempted, f"{moved}Completed": completed}
        partly = self.end_backups_in == Phase.PARTIALLY_FAILED or completed < attempted
        status["phase"] = Phase.WAITING_PARTIALLY_FAILED if partly else Phase.WAITING
        if self.end_backups_in == Phase.FAILED:
            status["phase"] = Phase.FAILED
        self._status(BACKUPS, name, status)

    def _finish(self, resource: Resource, name: str, phase: str) -> None:
        patch: Json = {"phase": _FOLLOW[Phase(phase)]}
        if has_ended(patch["phase"]):
            patch["completionTimestamp"] = self._at()
        if patch["phase"] == Phase.PARTIALLY_FAILED:
            before = (self.objects.get(resource, NAMESPACE, name).get("status") or {}).get("errors")
            patch["errors"] = before or 1
        self._status(resource, name, patch)

    def _restore(self, body: Json) -> None:
        name, spec, phase = body["metadata"]["name"], body.get("spec") or {}, _phase(body)
        if phase in {"", Phase.NEW}:
            problems = restore_problems(spec) or self._backup_problems(spec)
            if problems:
                refused: Json = {"phase": Phase.FAILED_VALIDATION, "validationErrors": problems}
                self._status(RESTORES, name, refused)
                return
            started = {"phase": Phase.IN_PROGRESS, "startTimestamp": self._at()}
            self._status(RESTORES, name, started)
        elif phase == Phase.IN_PROGRESS:
            self._put_back(name, spec)
        else:
            self._finish(RESTORES, name, phase)

    def _put_back(self, name: str, spec: Json) -> None:
        place = self.upkeep.place_of(self.upkeep.source(spec))
        if place not in self.storage.contents or not self.storage.answers(place[0]):
            failed: Json = {"phase": Phase.FAILED, "failureReason": "error downloading backup"}
            self._status(RESTORES, name, {**failed, "completionTimestamp": self._at()})
            return
        backup = self.objects.get(BACKUPS, NAMESPACE, place[1]).get("spec") or {}
        done = put_back(
            self.objects,
            self.storage.contents[place],
            spec,
            lost=self.lost,
            refused=self.refused,
            broken_volumes=self.broken_volumes,
            moved_data=bool(backup.get("snapshotMoveData")),
        )
        self.storage.restored[(place[0], name)] = done.outcome
        self.storage.notes[("Restore", name)] = {"warnings": done.warnings, "errors": done.errors}
        status: Json = {
            "phase": Phase.WAITING_PARTIALLY_FAILED if done.errors else Phase.WAITING,
            "progress": {"totalItems": done.total, "itemsRestored": done.total},
            "warnings": sum(map(len, done.warnings.values())),
            "errors": sum(map(len, done.errors.values())),
        }
        self._status(RESTORES, name, status)

    def _backup_problems(self, spec: Json) -> list[str]:
        backup = self.upkeep.source(spec)
        try:
            body = self.objects.get(BACKUPS, NAMESPACE, backup)
        except ApiError:
            return [f"Error retrieving backup: backup {backup!r} not found"]
        if _phase(body) not in {Phase.COMPLETED, Phase.PARTIALLY_FAILED}:
            return [f"backup {backup!r} is in phase {_phase(body)!r}"]
        location = (body.get("spec") or {}).get("storageLocation") or "default"
        return self.upkeep.location_problems(location, writes=False)

    def _at(self) -> str:
        return timestamp(self.objects.now())

    def _status(self, resource: Resource, name: str, patch: Json) -> None:
        self.upkeep.status(resource, name, patch)


def _phase(body: Json) -> str:
    return (body.get("status") or {}).get("phase") or ""
