from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from oco_pipelines.ingestion import sources
from oco_pipelines.ingestion.object_store import list_files, local_file
from oco_warehouse.errors import ConfigurationError, InvalidInputError, NotFoundError
from oco_warehouse.settings import Settings, load_settings

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 bucket with two files in a folder and one beside it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    client.create_bucket(Bucket="bills")
    for key in ("focus/a.csv", "focus/deep/b.parquet", "other.csv"):
        client.put_object(Bucket="bills", Key=key, Body=key.encode())
    yield "s3://bills"
    server.stop()


def test_files_of_s3_are_listed_below_their_folder_and_read(bucket: str) -> None:
    settings = load_settings({**KEYS, "OCO_FOCUS_PATH": f"{bucket}/focus"})
    found = sources.discover(settings)
    assert [file.key for file in found] == ["a.csv", "deep/b.parquet"]
    assert all(file.etag for file in found)
    with sources.local_copy(settings, "deep/b.parquet") as path:
        assert path.read_bytes() == b"focus/deep/b.parquet"
    assert not path.exists()


def test_what_is_not_in_s3_says_so(bucket: str) -> None:
    missing = local_file(bucket, "none.csv", load_settings(KEYS))
    with pytest.raises(InvalidInputError, match="does not exist"), missing:
        pass


def test_a_local_file_changes_its_mark_with_its_content(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1")
    before = list_files(str(tmp_path), _settings(tmp_path))
    file.write_text("22")
    after = list_files(str(tmp_path), _settings(tmp_path))
    assert before[0].etag != after[0].etag


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = local_file(str(tmp_path), "../secret", _settings(tmp_path))
    with pytest.raises(InvalidInputError, match="outside"), outside:
        pass


def test_an_address_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="OCO_FOCUS_PATH"):
        list_files("ftp://somewhere", _settings(tmp_path))


def test_the_sample_stands_in_only_where_no_cloud_is_configured(tmp_path: Path) -> None:
    assert len(sources.discover(_settings(tmp_path))) == 6
    cloud = load_settings({**KEYS, "OCO_HOME": str(tmp_path)})
    assert sources.discover(cloud) == []
    with pytest.raises(NotFoundError), sources.local_copy(cloud, "a.csv"):
        pass


def _settings(home: Path) -> Settings:
    return load_settings({"OCO_HOME": str(home)})
