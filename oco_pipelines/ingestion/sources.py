"""Which FOCUS files there are: below OCO_FOCUS_PATH, or the shipped sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from oco_pipelines.ingestion.accounts import kept_rows
from oco_pipelines.ingestion.object_store import StoredFile, list_files, local_file
from oco_warehouse.errors import NotFoundError
from oco_warehouse.settings import Settings

_ENDINGS: Final = (".csv", ".csv.gz", ".parquet")


def is_focus_file(name: str) -> bool:
    """Whether the ending of a name is one that is read."""
    return name.lower().endswith(_ENDINGS)


def uses_sample(settings: Settings) -> bool:
    """True when neither files nor a cloud are configured, so that the sample stands in."""
    configured = settings.focus_path is not None or settings.has_cloud_credentials
    return not configured and not kept_rows(settings)


def source_root(settings: Settings) -> str | None:
    """Folder or address of the files; None when there are none because a cloud is configured."""
    if settings.focus_path is not None:
        return settings.focus_path
    return str(settings.home / "sample") if uses_sample(settings) else None


def discover(settings: Settings) -> list[StoredFile]:
    """Every FOCUS file of the source; installs the sample's first delivery where it is in use.

    Raises:
        InvalidInputError: when OCO_FOCUS_PATH does not exist.
        ConfigurationError: when access to it is denied.
        UpstreamUnavailable: when the object store does not answer.
    """
    root = source_root(settings)
    if root is None:
        return []
    if uses_sample(settings) and not (settings.home / "sample").is_dir():
        from oco_pipelines.ingestion import sample

        sample.install(settings.home / "sample", 1)
    return [file for file in list_files(root, settings) if is_focus_file(file.key)]


@contextmanager
def local_copy(settings: Settings, key: str) -> Iterator[Path]:
    """One of the files of `discover` on this machine's disk; its errors, and NotFoundError."""
    root = source_root(settings)
    if root is None:
        raise NotFoundError(f"{key}: no source of FOCUS files is configured: set OCO_FOCUS_PATH")
    with local_file(root, key, settings) as path:
        yield path
