"""Where files lie: a local folder, or s3://, gs:// and az:// through obstore.

The only place that knows their dialects: one set of timeouts and retries, one mapping of errors.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oco_warehouse.errors import ConfigurationError, InvalidInputError, UpstreamUnavailable
from oco_warehouse.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

REMOTE: Final = ("s3://", "gs://", "az://")
MAX_FILES: Final = 50_000
_CLIENT: Final = {"timeout": "300s", "connect_timeout": "10s"}
_STATUS: Final = re.compile(r"status code: (\d{3})")
_RETRIES: Final = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its path below the root, its size in bytes, and a mark that changes with it.

    `modified` is when it was written last, UTC.
    """

    key: str
    size: int
    etag: str
    modified: datetime


def list_files(
    root: str, settings: Settings, access: Mapping[str, str] | None = None
) -> list[StoredFile]:
    """Every file below `root`, by key.

    Args:
        root: a folder or an address.
        settings: have the clouds' credentials.
        access: takes their place: obstore's configuration of the store, with an endpoint too.

    Raises:
        InvalidInputError: when the root does not exist, or holds more than MAX_FILES.
        ConfigurationError: when access is denied.
        UpstreamUnavailable: when the store does not answer.
    """
    found = []
    for file in _remote_files(root, settings, access) if _is_remote(root) else _local_files(root):
        found.append(file)
        if len(found) > MAX_FILES:
            raise InvalidInputError(f"{root}: more than {MAX_FILES} files: name a smaller folder")
    return sorted(found, key=lambda file: file.key)


@contextmanager
def local_file(
    root: str, key: str, settings: Settings, access: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """One file below `root` as one of this machine, which a remote one is until the block ends.

    Arguments and errors as of `list_files`.
    """
    if not _is_remote(root):
        folder = Path(root).resolve()
        path = (folder / key).resolve()
        if not path.is_relative_to(folder):
            raise InvalidInputError(f"{key}: lies outside {root}")
        if not path.is_file():
            raise InvalidInputError(f"{path}: cannot be read (No such file)")
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="oco-file-") as copy:
        try:
            for piece in _open(root, settings, access).get(key).stream():
                copy.write(piece)
        except Exception as error:
            raise _mapped(f"{root.rstrip('/')}/{key}", error) from None
        copy.flush()
        yield Path(copy.name)


def _is_remote(root: str) -> bool:
    if "://" in root and not root.startswith(REMOTE):
        raise ConfigurationError(
            f"OCO_FOCUS_PATH: {root!r} is neither a folder nor one of {', '.join(REMOTE)}"
        )
    return root.startswith(REMOTE)


def _local_files(root: str) -> Iterator[StoredFile]:
    folder = Path(root)
    if not folder.is_dir():
        raise InvalidInputError(f"OCO_FOCUS_PATH: {root} is not a folder")
    for path in folder.rglob("*"):
        key = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in key.parts):
            status = path.stat()
            yield StoredFile(
                key.as_posix(),
                status.st_size,
                f"{status.st_mtime_ns:x}-{status.st_size:x}",
                datetime.fromtimestamp(status.st_mtime, UTC),
            )


def _remote_files(
    root: str, settings: Settings, access: Mapping[str, str] | None
) -> Iterator[StoredFile]:
    try:
        for batch in _open(root, settings, access).list():
            for meta in batch:
                modified = meta["last_modified"]
                mark = meta["e_tag"] or modified.isoformat()
                yield StoredFile(meta["path"], meta["size"], mark.strip('"'), modified)
    except Exception as error:
        raise _mapped(root, error) from None


def _open(root: str, settings: Settings, access: Mapping[str, str] | None) -> "ObjectStore":
    from obstore.store import from_url

    config: dict[str, Any] = {}
    client: dict[str, Any] = dict(_CLIENT)
    if access is not None:
        config |= access
        client["allow_http"] = access.get("endpoint", "").startswith("http://")
    elif root.startswith("s3://"):
        config["region"] = settings.aws_region
        if settings.aws_access_key_id:
            config["access_key_id"] = settings.aws_access_key_id
            config["secret_access_key"] = settings.aws_secret_access_key.get_secret_value()
        # S3 of one's own (MinIO and the like), by the variable that the AWS tools read too.
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            config["endpoint"] = endpoint
            client["allow_http"] = endpoint.startswith("http://")
    elif root.startswith("gs://"):
        key = settings.gcp_credentials_json.get_secret_value()
        if key:
            config["service_account_key"] = key
            # A stand-in or a proxy of one's own, as the key file of an emulator names it.
            client["allow_http"] = '"gcs_base_url": "http://' in key
    elif settings.azure_client_id:
        config["client_id"] = settings.azure_client_id
        config["client_secret"] = settings.azure_client_secret.get_secret_value()
        config["tenant_id"] = settings.azure_tenant_id
    options: Any = {"config": config, "client_options": client, "retry_config": _RETRIES}
    return from_url(root, **options)


def _mapped(where: str, error: Exception) -> Exception:
    """Our error for one of obstore's: its kind only, for its text may hold signed addresses."""
    from obstore import exceptions

    # A refused list is a generic error whose only trace of the reason is the status in its text.
    found = _STATUS.search(str(error))
    status = int(found[1]) if found else 0
    if (
        isinstance(error, exceptions.NotFoundError | FileNotFoundError)
        or status == HTTPStatus.NOT_FOUND
    ):
        return InvalidInputError(f"{where}: does not exist")
    denied = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
    if isinstance(error, denied) or status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ConfigurationError(f"{where}: access is denied; check the cloud's credentials")
    if isinstance(error, exceptions.BaseError | OSError):
        return UpstreamUnavailable(f"{where}: the object store failed ({type(error).__name__})")
    return error
