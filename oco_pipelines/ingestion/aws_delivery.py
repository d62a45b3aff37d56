"""Downloads one delivery of an AWS data export, and tells when it was another one meanwhile."""

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from oco_pipelines.ingestion.aws_access import Requests, aws_failures
from oco_pipelines.ingestion.aws_export_manifest import Manifest, StoredObject, parse_manifest
from oco_warehouse.errors import ConflictError

_PIECE_BYTES: Final = 1024 * 1024


class Delivery:
    """The objects of one delivery, and that they stay as they are while they are read.

    Args:
        partition: for messages.
        bucket: where they are.
        client: of S3.
        requests: counts what is downloaded.
    """

    def __init__(self, partition: str, bucket: str, client: Any, requests: Requests) -> None:
        self._partition = partition
        self._bucket = bucket
        self._client = client
        self._requests = requests
        self._read: dict[str, str] = {}
        self._hash = hashlib.sha256()

    @property
    def content_hash(self) -> str:
        """SHA-256 over the files in their order."""
        return self._hash.hexdigest()

    def read_manifest(self, stored: StoredObject) -> Manifest:
        """What the delivery consists of.

        Raises:
            ConflictError: when the manifest is newer than its listing.
            OpenCloudOpsError: as `aws_failures` and `parse_manifest` raise.
        """
        where = f"{self._partition}: s3://{self._bucket}/{stored.key}"
        with aws_failures(where):
            answer = self._client.get_object(Bucket=self._bucket, Key=stored.key)
            with closing(answer["Body"]) as body:
                content = body.read()
        self._read[stored.key] = answer["ETag"]
        if answer["ETag"].strip('"') != stored.etag:
            raise self._changed(stored.key)
        return parse_manifest(where, content, self._bucket)

    def download(self, manifest: Manifest, folder: Path) -> list[tuple[str, Path]]:
        """[(key, path)] of every file, in the manifest's order; errors of `aws_failures`."""
        paths = []
        for number, key in enumerate(manifest.files):
            path = folder / str(number)
            where = f"{self._partition}: s3://{self._bucket}/{key}"
            digest, size = hashlib.sha256(), 0
            with aws_failures(where), path.open("wb") as file:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                # The SDK refuses a body that ends before its length.
                with closing(answer["Body"]) as body:
                    for piece in body.iter_chunks(_PIECE_BYTES):
                        file.write(piece)
                        digest.update(piece)
                        size += len(piece)
            self._read[key] = answer["ETag"]
            self._requests.bytes += size
            self._hash.update(digest.digest())
            paths.append((key, path))
        return paths

    def confirm(self) -> None:
        """Refuse what was written anew while it was read: parts of two deliveries are no bill.

        Raises:
            ConflictError: naming what changed.
        """
        for key, etag in self._read.items():
            with aws_failures(f"{self._partition}: s3://{self._bucket}/{key}"):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
            if answer["ETag"] != etag:
                raise self._changed(key)

    def _changed(self, key: str) -> ConflictError:
        return ConflictError(
            f"{self._partition}: s3://{self._bucket}/{key} changed while it was read, so nothing "
            "was loaded: the new delivery is loaded once its manifest is there"
        )
