"""Velero's part of the stand-in: steps backups and restores through the real phases.

A backup really copies the objects of its namespaces, a restore really makes them again. As the
real one, it runs one backup at a time and never says why a backup is slow.
"""

import copy
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from oco_pipelines.resilience.phases import Phase, has_ended
from oco_pipelines.resilience.standin.objects import ApiError, Objects, timestamp
from oco_pipelines.resilience.standin.resources import RESOURCES, Json, Resource

NAMESPACE: Final = "velero"
BACKUPS, RESTORES, LOCATIONS, DELETIONS, NAMESPACES, CONFIGMAPS = (
    next(resource for resource in RESOURCES if resource.kind == kind)
    for kind in (
        "Backup",
        "Restore",
        "BackupStorageLocation",
        "DeleteBackupRequest",
        "Namespace",
        "ConfigMap",
    )
)
_SPAN: Final = re.compile(r"(\d+)(h|m|s)")
_UNITS: Final = {"h": "hours", "m": "minutes", "s": "seconds"}
_DEFAULT_TTL: Final = "720h"


@dataclass(slots=True)
class Velero:
    """A simulated Velero server over the objects of a cluster.

    Attributes:
        step_seconds: how long each phase lasts.
        end_backups_in: phase that the next backups end in.
        bucket: what each backup holds, by (location, backup name).
    """

    objects: Objects
    step_seconds: float = 0.05
    end_backups_in: Phase = Phase.COMPLETED
    bucket: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Step until `stop`."""
        while not self._stop.wait(self.step_seconds):
            self.step()

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    def step(self) -> None:
        """Move the one backup and the one restore that are in work by a phase; honour deletions."""
        for resource, move in ((BACKUPS, self._backup), (RESTORES, self._restore)):
            _, bodies = self.objects.list_all(resource, NAMESPACE)
            waiting = [body for body in bodies if not has_ended(_phase(body))]
            # The one in work goes on before a new one starts.
            waiting.sort(
                key=lambda body: (_phase(body) == "", body["metadata"]["creationTimestamp"])
            )
            if waiting:
                self._guarded(waiting[0], move)
        for body in self.objects.list_all(DELETIONS, NAMESPACE)[1]:
            if _phase(body) != "Processed":
                self._guarded(body, self._delete)

    def set_location(self, name: str, phase: str) -> None:
        """Make a storage location Available or Unavailable."""
        patch = {"phase": phase, "lastValidationTime": timestamp()}
        self._status(LOCATIONS, name, patch)

    def _guarded(self, body: Json, move: Callable[[Json], None]) -> None:
        try:
            move(body)
        except ApiError as error:
            if error.code != 404:
                raise
            # Deleted under our hands: nothing is left to step.

    def _backup(self, body: Json) -> None:
        name, spec, phase = body["metadata"]["name"], body.get("spec") or {}, _phase(body)
        location = spec.get("storageLocation") or "default"
        if phase in {"", Phase.NEW}:
            problem = self._location_problem(location)
            if problem:
                self._status(
                    BACKUPS, name, {"phase": Phase.FAILED_VALIDATION, "validationErrors": [problem]}
                )
                return
            now = datetime.now(UTC)
            taken = (location, name) in self.bucket
            started = {
                "version": 1,
                "formatVersion": "1.1.0",
                "phase": Phase.FAILED if taken else Phase.IN_PROGRESS,
                "startTimestamp": timestamp(now),
                "expiration": timestamp(now + _span(spec.get("ttl") or _DEFAULT_TTL)),
            }
            if taken:
                started["failureReason"] = f"backup already exists in object storage: {name}"
            self._status(BACKUPS, name, started)
        elif phase == Phase.IN_PROGRESS:
            held = self._collect(spec)
            self.bucket[(location, name)] = held
            progress = {"totalItems": len(held), "itemsBackedUp": len(held)}
            partly = self.end_backups_in == Phase.PARTIALLY_FAILED
            next_phase = Phase.WAITING_PARTIALLY_FAILED if partly else Phase.WAITING
            if self.end_backups_in == Phase.FAILED:
                next_phase = Phase.FAILED
            self._status(BACKUPS, name, {"phase": next_phase, "progress": progress})
        else:
            self._finish(BACKUPS, name, phase)

    def _finish(self, resource: Resource, name: str, phase: str) -> None:
        follow = {
            Phase.WAITING: Phase.FINALIZING,
            Phase.WAITING_PARTIALLY_FAILED: Phase.FINALIZING_PARTIALLY_FAILED,
            Phase.FINALIZING: Phase.COMPLETED,
            Phase.FINALIZING_PARTIALLY_FAILED: Phase.PARTIALLY_FAILED,
        }
        patch: Json = {"phase": follow[Phase(phase)]}
        if has_ended(patch["phase"]):
            patch["completionTimestamp"] = timestamp()
        if patch["phase"] == Phase.PARTIALLY_FAILED:
            patch["errors"] = 1
        self._status(resource, name, patch)

    def _restore(self, body: Json) -> None:
        name, spec, phase = body["metadata"]["name"], body.get("spec") or {}, _phase(body)
        if phase in {"", Phase.NEW}:
            problem = self._restore_problem(spec)
            if problem:
                refused: Json = {"phase": Phase.FAILED_VALIDATION, "validationErrors": [problem]}
                self._status(RESTORES, name, refused)
                return
            started = {"phase": Phase.IN_PROGRESS, "startTimestamp": timestamp()}
            self._status(RESTORES, name, started)
        elif phase == Phase.IN_PROGRESS:
            total, restored, warnings = self._put_back(spec)
            status: Json = {
                "phase": Phase.WAITING,
                "progress": {"totalItems": total, "itemsRestored": restored},
                "warnings": warnings,
            }
            self._status(RESTORES, name, status)
        else:
            self._finish(RESTORES, name, phase)

    def _collect(self, spec: Json) -> list[Json]:
        wanted = spec.get("includedNamespaces") or ["*"]
        refused = set(spec.get("excludedNamespaces") or [])
        labels = (spec.get("labelSelector") or {}).get("matchLabels") or {}
        held: list[Json] = []
        for body in self.objects.list_all(NAMESPACES)[1]:
            name = body["metadata"]["name"]
            if name in refused or not ("*" in wanted or name in wanted):
                continue
            inside = [
                item
                for item in self.objects.list_all(CONFIGMAPS, name)[1]
                if labels.items() <= (item["metadata"].get("labels") or {}).items()
            ]
            held += [body, *inside]
        return held

    def _put_back(self, spec: Json) -> tuple[int, int, int]:
        held = copy.deepcopy(self.bucket[self._place(spec["backupName"])])
        wanted = spec.get("includedNamespaces") or ["*"]
        mapping = spec.get("namespaceMapping") or {}
        total = restored = warnings = 0
        for body in held:
            resource = NAMESPACES if body["kind"] == "Namespace" else CONFIGMAPS
            metadata = body["metadata"]
            home = metadata["name"] if resource is NAMESPACES else metadata["namespace"]
            if not ("*" in wanted or home in wanted):
                continue
            total += 1
            target = mapping.get(home, home)
            if resource is NAMESPACES:
                metadata["name"] = target
            for fixed in ("uid", "resourceVersion", "creationTimestamp", "generation"):
                metadata.pop(fixed, None)
            try:
                self.objects.create(resource, "" if resource is NAMESPACES else target, body)
                restored += 1
            except ApiError as error:
                if error.code != 409:
                    raise
                if resource is CONFIGMAPS and spec.get("existingResourcePolicy") == "update":
                    self.objects.replace(resource, target, metadata["name"], body)
                    restored += 1
                elif resource is CONFIGMAPS:
                    warnings += 1
        return total, restored, warnings

    def _delete(self, body: Json) -> None:
        backup = (body.get("spec") or {}).get("backupName", "")
        place = self._place(backup)
        self.bucket.pop(place, None)
        for restore in self.objects.list_all(RESTORES, NAMESPACE)[1]:
            if (restore.get("spec") or {}).get("backupName") == backup:
                self.objects.delete(RESTORES, NAMESPACE, restore["metadata"]["name"])
        errors: list[str] = []
        try:
            self.objects.delete(BACKUPS, NAMESPACE, backup)
        except ApiError as error:
            errors = [error.message]
        name = body["metadata"]["name"]
        self._status(DELETIONS, name, {"phase": "Processed", "errors": errors})

    def _restore_problem(self, spec: Json) -> str:
        backup = spec.get("backupName") or ""
        try:
            body = self.objects.get(BACKUPS, NAMESPACE, backup)
        except ApiError:
            return f"Error retrieving backup: backup {backup!r} not found"
        if _phase(body) not in {Phase.COMPLETED, Phase.PARTIALLY_FAILED}:
            return f"backup {backup!r} is in phase {_phase(body)!r}"
        return self._location_problem(self._place(backup)[0])

    def _location_problem(self, name: str) -> str:
        try:
            body = self.objects.get(LOCATIONS, NAMESPACE, name)
        except ApiError:
            return f"a BackupStorageLocation CRD with the name {name!r} was not found"
        if _phase(body) != "Available":
            return f"backup can't be created because BackupStorageLocation {name} is Unavailable"
        return ""

    def _place(self, backup: str) -> tuple[str, str]:
        for location, name in self.bucket:
            if name == backup:
                return location, name
        return "default", backup

    def _status(self, resource: Resource, name: str, patch: Json) -> None:
        def edit(body: Json) -> None:
            body["status"] = {**(body.get("status") or {}), **patch}

        self.objects.change(resource, NAMESPACE, name, edit)


def _phase(body: Json) -> str:
    return (body.get("status") or {}).get("phase") or ""


def _span(text: str) -> timedelta:
    parts = {_UNITS[unit]: int(figure) for figure, unit in _SPAN.findall(text)}
    return timedelta(**parts)
