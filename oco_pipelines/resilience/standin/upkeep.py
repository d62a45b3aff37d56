"""What Velero does beside backups and restores: locations, syncing, expiry, deletions, requests."""

import copy
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from oco_pipelines.resilience.phases import Phase
from oco_pipelines.resilience.standin.backing_up import volumes
from oco_pipelines.resilience.standin.objects import ApiError, Objects, timestamp
from oco_pipelines.resilience.standin.resources import BY_KIND, Json, Resource
from oco_pipelines.resilience.standin.storage import Place, Storage, resource_list
from oco_pipelines.resilience.standin.validation import schedule_problems

SERVER_VERSION: Final = "v1.18.0"
LOCATION_LABEL: Final = "velero.io/storage-location"
SCHEDULE_LABEL: Final = "velero.io/schedule-name"
BACKUPS, RESTORES, LOCATIONS, DELETIONS = (
    BY_KIND[kind] for kind in ("Backup", "Restore", "BackupStorageLocation", "DeleteBackupRequest")
)
_DOWNLOADS, _VERSIONS, _SCHEDULES = (
    BY_KIND[kind] for kind in ("DownloadRequest", "ServerStatusRequest", "Schedule")
)
_SPAN: Final = re.compile(r"(\d+)(h|m|s)")
_UNITS: Final = {"h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(slots=True)
class Upkeep:
    """The controllers that keep Velero's objects and the object storage in step.

    Attributes:
        objects: the cluster's.
        storage: the object storage, which other clusters may use, too.
        namespace: Velero's.
        address: where files of the object storage are served; empty while nobody serves them.
    """

    objects: Objects
    storage: Storage
    namespace: str
    address: str = ""
    _checked: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def look_at_locations(self) -> None:
        """Judge storage locations that are new, changed, or whose bucket came or went."""
        for body in self._all(LOCATIONS):
            name, bucket = body["metadata"]["name"], bucket_of(body)
            found = (body["metadata"]["generation"], self.storage.answers(bucket))
            before = self._checked.get(name)
            self._checked[name] = found
            # A phase that somebody set stays until there is a reason to look again.
            if before == found or (before is None and _phase(body)):
                continue
            patch: Json = {"lastValidationTime": self._at()}
            patch["phase"] = "Available" if found[1] else "Unavailable"
            patch["message"] = "" if found[1] else f"bucket {bucket!r} cannot be reached"
            self._try(LOCATIONS, name, patch)

    def location_problems(self, name: str, *, writes: bool) -> list[str]:
        """Why a storage location cannot be used, as Velero words it."""
        try:
            body = self.objects.get(LOCATIONS, self.namespace, name)
        except ApiError:
            return [f"a BackupStorageLocation CRD with the name {name!r} was not found"]
        if _phase(body) != "Available":
            return [f"backup can't be created because BackupStorageLocation {name} is Unavailable"]
        if writes and (body.get("spec") or {}).get("accessMode") == "ReadOnly":
            return [f"backup storage location {name} is currently in read-only mode"]
        return []

    def place(self, location: str, backup: str) -> Place:
        """Where a backup of a storage location is kept."""
        try:
            return bucket_of(self.objects.get(LOCATIONS, self.namespace, location)), backup
        except ApiError:
            return location, backup

    def place_of(self, backup: str) -> Place:
        """Where a backup of the cluster is kept."""
        try:
            body = self.objects.get(BACKUPS, self.namespace, backup)
        except ApiError:
            return "default", backup
        return self.place((body.get("spec") or {}).get("storageLocation") or "default", backup)

    def source(self, spec: Json) -> str:
        """The backup that a restore is of: the newest good one where it names a schedule."""
        if spec.get("backupName"):
            return str(spec["backupName"])
        taken = [
            body
            for body in self._all(BACKUPS)
            if (body["metadata"].get("labels") or {}).get(SCHEDULE_LABEL) == spec["scheduleName"]
            and _phase(body) == Phase.COMPLETED
        ]
        newest = max(taken, key=lambda body: str(body["status"]["startTimestamp"]), default=None)
        return str(newest["metadata"]["name"]) if newest else ""

    def mark(self, backup: str, location: str) -> None:
        """Write a backup's storage location where Velero writes it."""

        def edit(body: Json) -> None:
            labels = body["metadata"].get("labels") or {}
            body["metadata"]["labels"] = {**labels, LOCATION_LABEL: location}
            body["spec"] = {**(body.get("spec") or {}), "storageLocation": location}

        self.objects.change(BACKUPS, self.namespace, backup, edit)

    def publish(self, backup: str) -> None:
        """Let other clusters see a backup once it can be restored."""
        body = self.objects.get(BACKUPS, self.namespace, backup)
        if _phase(body) in {Phase.COMPLETED, Phase.PARTIALLY_FAILED}:
            self.storage.manifests[self.place_of(backup)] = body

    def sync(self) -> None:
        """Make what others put into the bucket, and forget what is gone from it."""
        there = {body["metadata"]["name"]: body for body in self._all(BACKUPS)}
        for location in self._all(LOCATIONS):
            name, bucket = location["metadata"]["name"], bucket_of(location)
            if _phase(location) != "Available" or not self.storage.answers(bucket):
                continue
            for place, manifest in list(self.storage.manifests.items()):
                if place[0] == bucket and place[1] not in there:
                    there[place[1]] = self._adopt(manifest, name)
            for backup, body in there.items():
                labels = body["metadata"].get("labels") or {}
                gone = (bucket, backup) not in self.storage.contents
                if gone and labels.get(LOCATION_LABEL) == name and _phase(body) == Phase.COMPLETED:
                    self._forget(backup)

    def expire(self) -> None:
        """Ask for the deletion of what has outlived its ttl."""
        now = self.objects.now()
        asked = {(body.get("spec") or {}).get("backupName") for body in self._all(DELETIONS)}
        for body in self._all(BACKUPS):
            name, end = body["metadata"]["name"], (body.get("status") or {}).get("expiration")
            if not end or name in asked or datetime.fromisoformat(end) > now:
                continue
            location = (body.get("spec") or {}).get("storageLocation") or "default"
            if self.location_problems(location, writes=True):
                continue
            metadata = {
                "name": f"{name[:200]}-{secrets.token_hex(3)}",
                "labels": {"velero.io/backup-uid": body["metadata"]["uid"]},
            }
            self.objects.create(
                DELETIONS, self.namespace, {"metadata": metadata, "spec": {"backupName": name}}
            )

    def answer_requests(self, guarded: Callable[[Json, Callable[[Json], None]], None]) -> None:
        """Deletions, downloads, questions for the version, and schedules."""
        for resource, answer in (
            (DELETIONS, self._delete),
            (_DOWNLOADS, self._offer),
            (_VERSIONS, self._tell_version),
            (_SCHEDULES, self._enable),
        ):
            for body in self._all(resource):
                if _phase(body) in {"", "New", "InProgress"}:
                    guarded(body, answer)

    def status(self, resource: Resource, name: str, patch: Json) -> None:
        """Change some of an object's status."""

        def edit(body: Json) -> None:
            body["status"] = {**(body.get("status") or {}), **patch}

        self.objects.change(resource, self.namespace, name, edit)

    def _delete(self, body: Json) -> None:
        backup, name = (body.get("spec") or {}).get("backupName", ""), body["metadata"]["name"]
        if _phase(body) != "InProgress":
            self.status(DELETIONS, name, {"phase": "InProgress"})
            return
        errors = self._deletion_problems(backup)
        if not errors:
            self.storage.remove(self.place_of(backup))
            self._forget(backup)
        self.status(DELETIONS, name, {"phase": "Processed", "errors": errors})

    def _deletion_problems(self, backup: str) -> list[str]:
        try:
            body = self.objects.get(BACKUPS, self.namespace, backup)
        except ApiError:
            return ["backup not found"]
        if _phase(body) == Phase.IN_PROGRESS:
            return ["backup is still in progress"]
        location = (body.get("spec") or {}).get("storageLocation") or "default"
        if self.location_problems(location, writes=True):
            return [f"cannot delete backup because storage location {location} cannot be written"]
        return []

    def _forget(self, backup: str) -> None:
        """Delete a backup with its restores, which do not outlive it."""
        for restore in self._all(RESTORES):
            if (restore.get("spec") or {}).get("backupName") == backup:
                self.objects.delete(RESTORES, self.namespace, restore["metadata"]["name"])
        self.objects.delete(BACKUPS, self.namespace, backup)

    def _adopt(self, manifest: Json, location: str) -> Json:
        metadata, spec = manifest["metadata"], manifest.get("spec") or {}
        kept = {name: metadata[name] for name in ("name", "annotations") if name in metadata}
        kept["labels"] = {**(metadata.get("labels") or {}), LOCATION_LABEL: location}
        body = {"metadata": kept, "spec": {**spec, "storageLocation": location}}
        body["status"] = copy.deepcopy(manifest["status"])
        self._try(LOCATIONS, location, {"lastSyncedTime": self._at()})
        return self.objects.create(BACKUPS, self.namespace, body)

    def _offer(self, body: Json) -> None:
        target, name = (body.get("spec") or {}).get("target") or {}, body["metadata"]["name"]
        content = self._content(target.get("kind", ""), target.get("name", ""))
        if content is None or not self.address:
            return
        self.status(
            _DOWNLOADS,
            name,
            {
                "phase": "Processed",
                "downloadURL": self.address + self.storage.publish(content),
                "expiration": timestamp(self.objects.now() + timedelta(minutes=10)),
            },
        )

    def _content(self, kind: str, name: str) -> object | None:
        """A document about a backup or restore; None while there is none, as with Velero."""
        if kind.startswith("Backup"):
            place = self.place_of(name)
            held = self.storage.contents.get(place)
            if held is None or not self.storage.answers(place[0]):
                return None
            claims = [
                {
                    "pvcName": claim["metadata"]["name"],
                    "pvcNamespace": claim["metadata"]["namespace"],
                    "pvName": claim["spec"]["volumeName"],
                    "backupMethod": "NativeSnapshot",
                    "result": "succeeded",
                }
                for claim in volumes(held)
            ]
            known: dict[str, object] = {
                "BackupResourceList": resource_list(held),
                "BackupResults": {"errors": {}, "warnings": {}},
                "BackupVolumeInfos": claims,
            }
            return known.get(kind)
        found = [one for place, one in list(self.storage.restored.items()) if place[1] == name]
        if not found:
            return None
        return {
            "RestoreResourceList": found[-1],
            "RestoreResults": self.storage.notes.get(("Restore", name)),
        }.get(kind)

    def _tell_version(self, body: Json) -> None:
        told = {"phase": "Processed", "serverVersion": SERVER_VERSION}
        self.status(_VERSIONS, body["metadata"]["name"], {**told, "processedTimestamp": self._at()})

    def _enable(self, body: Json) -> None:
        problems = schedule_problems(body.get("spec") or {})
        patch: Json = {"phase": "FailedValidation" if problems else "Enabled"}
        self.status(_SCHEDULES, body["metadata"]["name"], {**patch, "validationErrors": problems})

    def _all(self, resource: Resource) -> list[Json]:
        return self.objects.list_all(resource, self.namespace)[1]

    def _try(self, resource: Resource, name: str, patch: Json) -> None:
        try:
            self.status(resource, name, patch)
        except ApiError as error:
            if error.code != 404:
                raise

    def _at(self) -> str:
        return timestamp(self.objects.now())


def bucket_of(location: Json) -> str:
    """The bucket of a storage location, with its prefix."""
    storage = (location.get("spec") or {}).get("objectStorage") or {}
    parts = (storage.get("bucket") or location["metadata"]["name"], storage.get("prefix"))
    return "/".join(str(part).strip("/") for part in parts if part)


def span(text: str) -> timedelta:
    """A Go duration of hours, minutes and seconds."""
    return timedelta(**{_UNITS[unit]: int(figure) for figure, unit in _SPAN.findall(text)})


def _phase(body: Json) -> str:
    return (body.get("status") or {}).get("phase") or ""
