"""Object storage: what backups hold, for all clusters that use it, and files behind addresses."""

import gzip
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from oco_pipelines.resilience.standin.resources import Json

STORAGE_PATH: Final = "/storage/"
# As long as Velero's signed addresses hold.
FILE_SECONDS: Final = 600.0
Place = tuple[str, str]


@dataclass(slots=True)
class Storage:
    """Buckets that one or more clusters back up into.

    Attributes:
        contents: the objects that each backup holds, by (bucket, backup name).
        manifests: each backup that has ended well enough to be restored, as other clusters see it.
        restored: of each restore what became of each object, by (bucket, restore name).
        notes: warnings and errors of backups and restores, by (kind, name).
        buckets: those that exist; none named means that any does.
        down: those of them that do not answer.
    """

    contents: dict[Place, list[Json]] = field(default_factory=dict)
    manifests: dict[Place, Json] = field(default_factory=dict)
    restored: dict[Place, dict[str, list[str]]] = field(default_factory=dict)
    notes: dict[Place, Json] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    _files: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self, bucket: str) -> bool:
        """Whether a bucket can be used."""
        return bucket not in self.down and (not self.buckets or bucket in self.buckets)

    def remove(self, place: Place) -> None:
        """Forget a backup, as a deletion or somebody in the bucket does."""
        self.contents.pop(place, None)
        self.manifests.pop(place, None)

    def publish(self, content: Any) -> str:
        """Keep a document as gzipped JSON for a while; returns the path of its address."""
        token, now = secrets.token_urlsafe(16), time.monotonic()
        raw = gzip.compress(json.dumps(content).encode())
        with self._lock:
            self._files = {
                name: (until, kept) for name, (until, kept) in self._files.items() if until > now
            }
            self._files[token] = (now + FILE_SECONDS, raw)
        return STORAGE_PATH + token

    def read(self, token: str) -> bytes | None:
        """What is behind an address; None when it has expired or never was."""
        with self._lock:
            until, raw = self._files.get(token, (0.0, b""))
        return raw if until > time.monotonic() else None


def resource_list(bodies: list[Json]) -> dict[str, list[str]]:
    """What a backup holds, as Velero writes it down: {"v1/ConfigMap": ["shop/prices"]}."""
    found: dict[str, list[str]] = {}
    for body in bodies:
        found.setdefault(f"{body['apiVersion']}/{body['kind']}", []).append(full_name(body))
    return {kind: sorted(names) for kind, names in sorted(found.items())}


def full_name(body: Json) -> str:
    """namespace/name, or the name alone where there is no namespace."""
    metadata = body["metadata"]
    home = metadata.get("namespace")
    return f"{home}/{metadata['name']}" if home else str(metadata["name"])
