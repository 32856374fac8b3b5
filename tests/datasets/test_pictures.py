"""Photos to look at: those that are there, and none where they are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kedro.io import DatasetError
from pyspark.sql import functions as F

from fruit_features.datasets import PicturesDataset

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.usefixtures("spark")


def pictures(folder: Path, file_format: str = "binaryFile") -> PicturesDataset:
    return PicturesDataset(filepath=folder.as_posix(), file_format=file_format, load_args={"recursiveFileLookup": True})


def test_photos_that_are_there_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "Pear").mkdir()
    (tmp_path / "Pear" / "00.jpg").write_bytes(b"content")
    (row,) = pictures(tmp_path).load().select("content", F.col("_metadata.file_path")).collect()
    assert bytes(row["content"]) == b"content"
    assert row["file_path"].endswith("/Pear/00.jpg")


def test_a_folder_that_is_gone_has_no_photos_but_the_same_columns(tmp_path: Path) -> None:
    gone, there = (pictures(folder).load() for folder in (tmp_path / "gone", tmp_path))
    columns = ["path", "modificationTime", "length", "content", "_metadata.file_path"]
    assert gone.select(*columns).schema.simpleString() == there.select(*columns).schema.simpleString()
    assert gone.where(F.col("_metadata.file_path").isin("file:/x.jpg")).select("path", "content").collect() == []


def test_another_fault_than_a_missing_folder_is_passed_on(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no_such_format"):
        pictures(tmp_path, "no_such_format").load()
