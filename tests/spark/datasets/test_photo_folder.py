"""A folder of photos as Spark's binaryFile source would show it, and what that source does not show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from kedro.io import DatasetError
from pyspark.sql import functions as F

from fruit_features.datasets import PhotoFolderDataset
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.usefixtures("spark")

GLOB = "*.{jpg,png}"


def load(folder: Path) -> DataFrame:
    loaded: DataFrame = PhotoFolderDataset(
        filepath=str(folder), file_format="binaryFile", load_args={"recursiveFileLookup": True, "pathGlobFilter": GLOB}
    ).load()
    return loaded


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
    assert photos.columns == [*by_spark.columns, "error"]
    assert photos.drop("error").dtypes == by_spark.dtypes
    assert sorted(photos.drop("error").collect()) == sorted(by_spark.collect())
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


def test_empty_files_have_the_time_at_which_they_were_modified(folder: Path) -> None:
    (folder / "a b" / "empty.jpg").touch()
    os.utime(folder / "a b" / "empty.jpg", (0, 1_700_000_000))
    (row,) = load(folder).where("length = 0").select(F.unix_timestamp("modificationTime").alias("time")).collect()
    assert row["time"] == 1_700_000_000


def test_an_empty_folder_has_no_photo_and_a_missing_one_is_named(tmp_path: Path) -> None:
    assert load(tmp_path).isEmpty()
    with pytest.raises(DatasetError, match="absent"):
        load(tmp_path / "absent")
