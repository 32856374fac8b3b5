"""A folder of photos as Spark's binaryFile source would show it, and what that source does not show."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from kedro.io import DatasetError
from kedro_datasets.spark import SparkDatasetV2
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from fruit_features.datasets import PhotoFolderDataset
from fruit_features.datasets.photo_folder import _below_folder
from fruit_features.storage import object_store
from fruit_features.storage.object_store import ListedObject
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

pytestmark = pytest.mark.usefixtures("spark")

GLOB = "*.{jpg,png}"


def dataset(folder: str | Path) -> PhotoFolderDataset:
    return PhotoFolderDataset(
        filepath=str(folder), file_format="binaryFile", load_args={"recursiveFileLookup": True, "pathGlobFilter": GLOB}
    )


def load(folder: str | Path) -> DataFrame:
    loaded: DataFrame = dataset(folder).load()
    return loaded


def file_names(photos: DataFrame) -> list[str]:
    return sorted(row["file_name"] for row in photos.select("file_name").collect())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(["a b/1.jpg", "a b/2.png", "%20#/\N{PEAR}.jpg", "notes.txt"]):
        path = tmp_path / "photos, all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(fruit("Pear", seed), "JPEG"))
        os.utime(path, ns=(0, 1_700_000_000_123_456_789 + seed))
    return tmp_path / "photos, all"


def test_files_are_what_spark_shows(spark: SparkSession, folder: Path) -> None:
    by_spark = spark.read.format("binaryFile").options(recursiveFileLookup=True, pathGlobFilter=GLOB).load(str(folder))
    photos = load(folder)
    assert photos.columns == [*by_spark.columns, "error", "file_name"]
    assert photos.drop("error", "file_name").dtypes == by_spark.dtypes
    assert sorted(photos.drop("error", "file_name").collect()) == sorted(by_spark.collect())
    assert photos.where(F.col("error").isNotNull()).isEmpty()


def test_nothing_is_read_for_a_listing(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        path.unlink()
        os.mkfifo(path)  # whoever reads it waits for ever
    photos = load(folder)
    errors = {row["path"].rsplit("/", 1)[-1]: row["error"] for row in photos.select("path", "error").collect()}
    pipe = "not a file, but a named pipe"
    assert errors == {"1.jpg": pipe, "2.png": None, "\N{PEAR}.jpg": pipe}
    contents = {row["path"].rsplit("/", 1)[-1]: row["content"] for row in photos.collect()}
    assert contents["1.jpg"] is None
    assert contents["2.png"] is not None


NAMES = ["%20#/\N{PEAR}.jpg", "a b/1.jpg", "a b/2.png"]


def test_file_names_are_paths_below_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_names(load(folder)) == NAMES
    assert file_names(load(f"{folder}/./")) == NAMES
    (folder.parent / "link").symlink_to(folder)
    assert file_names(load(folder.parent / "link")) == NAMES
    monkeypatch.chdir(folder.parent)
    assert file_names(load("photos, all")) == NAMES


def test_file_names_are_the_same_where_spark_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_spark = dataset(folder)
    monkeypatch.setattr(by_spark, "_protocol", "other")
    monkeypatch.setattr(PhotoFolderDataset, "_spark_path", f"file://{folder}")
    monkeypatch.setattr(SparkDatasetV2, "_load", lambda self: self_load(folder))
    assert file_names(by_spark.load()) == NAMES
    assert by_spark.left_out is None, "Spark does not tell what it leaves out"


def self_load(folder: Path) -> DataFrame:
    spark = SparkSession.getActiveSession()
    assert spark is not None
    return spark.read.format("binaryFile").options(recursiveFileLookup=True, pathGlobFilter=GLOB).load(f"file://{folder}")


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("hdfs:///photos/", "hdfs://namenode:9000/photos/Apple/1.jpg"),
        ("hdfs://namenode/photos", "hdfs://namenode:9000/photos/Apple/1.jpg"),
        ("abfs://container@account.dfs.core.windows.net/a/b", "abfs://container@account.dfs.core.windows.net/a/b/Apple/1.jpg"),
        ("gs://bucket", "gs://bucket/Apple/1.jpg"),
        ("dbfs:///mnt/\N{PEAR}", "dbfs:/mnt/\N{PEAR}/Apple/1.jpg"),
    ],
)
def test_hosts_may_be_spelled_in_another_way(folder: str, path: str, spark: SparkSession) -> None:
    (row,) = spark.createDataFrame([(path,)], "path string").select(_below_folder(folder).alias("file_name")).collect()
    assert row["file_name"] == "Apple/1.jpg"


def test_what_is_not_taken_for_a_photo_is_counted(folder: Path) -> None:
    for name in ("a b/B.TXT", "README", ".git/config", ".git/1.jpg", "a b/._1.jpg", "_old/1.jpg", "clip.mp4", ".DS_Store"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"content")
    images = dataset(folder)
    assert images.left_out is None, "nothing has been listed yet"
    images.load()
    expected = {".txt": 2, ".mp4": 1, "README": 1, ".git/": 1, "_old/": 1, ".*.jpg": 1, ".DS_Store": 1}
    assert images.left_out == expected


def test_an_object_store_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*NAMES, "a b/B.TXT", "README", ".git/config", ".git/a/1.jpg", "a b/._1.jpg", "_old/1.jpg", "clip.mp4", "empty/"]
    modified = datetime(2024, 1, 1, tzinfo=UTC)
    listed = [ListedObject(f"in/photos/{name}", 7, modified, is_known=True) for name in names]
    monkeypatch.setattr(object_store, "list_objects", lambda root: iter(listed))
    images = dataset("s3a://bucket/in/photos")
    assert file_names(images.load()) == NAMES
    assert images.left_out == {".txt": 1, ".mp4": 1, "README": 1, ".git/": 1, "_old/": 1, ".*.jpg": 1}


def test_empty_files_have_the_time_at_which_they_were_modified(folder: Path) -> None:
    (folder / "a b" / "empty.jpg").touch()
    os.utime(folder / "a b" / "empty.jpg", (0, 1_700_000_000))
    (row,) = load(folder).where("length = 0").select(F.unix_timestamp("modificationTime").alias("time")).collect()
    assert row["time"] == 1_700_000_000


def test_an_empty_folder_has_no_photo_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert load(tmp_path).isEmpty()
    with pytest.raises(DatasetError, match="absent"):
        load(tmp_path / "absent")
