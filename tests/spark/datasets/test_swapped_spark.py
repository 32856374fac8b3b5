"""Tables that are replaced as a whole: at every moment, and after every crash, the old rows or the new ones are there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from fruit_features.datasets import SwappedSparkDataset
from fruit_features.spark.folder import SparkFolder

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession


def table(folder: Path) -> SwappedSparkDataset:
    return SwappedSparkDataset(filepath=folder.as_posix(), file_format="parquet", save_args={"mode": "overwrite"})


def rows(spark: SparkSession, value: str) -> DataFrame:
    return spark.createDataFrame([(value,)], "value string").coalesce(1)


def values(folder: Path) -> list[str]:
    return [row["value"] for row in table(folder).load().collect()]


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Path:
    """A table of the one row "old"."""
    table(tmp_path / "my table").save(rows(spark, "old"))
    return tmp_path / "my table"


def test_a_save_replaces_the_table_and_leaves_nothing_beside_it(spark: SparkSession, folder: Path) -> None:
    table(folder).save(rows(spark, "new"))
    assert values(folder) == ["new"]
    assert (folder / "_SUCCESS").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["my table"]


def test_a_table_that_has_been_loaded_is_loaded_again_without_a_job(spark: SparkSession, folder: Path) -> None:
    first = table(folder).load()
    spark.sparkContext.setJobGroup("second load", "")
    second = table(folder).load()
    assert second.schema == first.schema
    assert spark.sparkContext.statusTracker().getJobIdsForGroup("second load") == []
    spark.sparkContext.setJobGroup("", "")


def test_another_table_in_its_place_has_its_own_columns(spark: SparkSession, folder: Path) -> None:
    table(folder).load()
    time.sleep(0.002)  # file systems tell milliseconds apart
    other = spark.createDataFrame([(1, "new")], "number int, value string")
    other.write.mode("overwrite").parquet(str(folder))  # by another program
    assert table(folder).load().columns == ["number", "value"]


def test_a_save_that_fails_leaves_the_old_table(spark: SparkSession, folder: Path) -> None:
    with pytest.raises(DatasetError, match="power cut"):
        table(folder).save(rows(spark, "new").selectExpr("cast(raise_error('power cut') as string) as value"))
    assert values(folder) == ["old"]


def test_a_table_can_be_computed_from_itself(folder: Path) -> None:
    table(folder).save(table(folder).load().selectExpr("concat(value, 'er') AS value"))
    assert values(folder) == ["older"]


def test_at_no_moment_is_there_no_table(spark: SparkSession, folder: Path) -> None:
    ended, seen = threading.Event(), set()

    def look() -> None:
        while not ended.is_set():
            seen.add(folder.is_dir())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(5):
            table(folder).save(rows(spark, str(number)))
    finally:
        ended.set()
        looking.join()
    assert seen == {True}


def killed_before_the_old_one_was_unmarked(folder: Path) -> None:
    assert (folder / "_SUCCESS").exists()


def killed_before_they_changed_places(folder: Path) -> None:
    (folder / "_SUCCESS").unlink()


def killed_before_the_old_one_was_deleted(folder: Path) -> None:
    (folder / "_SUCCESS").unlink()
    successor, aside = folder.with_name("my table.new"), folder.with_name("aside")
    folder.rename(aside)
    successor.rename(folder)
    aside.rename(successor)


def killed_between_two_renames(folder: Path) -> None:
    """As on a system that cannot let two folders change places."""
    (folder / "_SUCCESS").unlink()
    folder.rename(folder.with_name("my table.old"))


@pytest.mark.parametrize(
    "kill",
    [
        killed_before_the_old_one_was_unmarked,
        killed_before_they_changed_places,
        killed_before_the_old_one_was_deleted,
        killed_between_two_renames,
    ],
)
def test_a_replacement_that_was_killed_is_finished_by_the_next_load(kill: object, spark: SparkSession, folder: Path) -> None:
    rows(spark, "new").write.parquet(str(folder.with_name("my table.new")))
    assert callable(kill)
    kill(folder)
    assert values(folder) == ["new"]
    assert values(folder) == ["new"], "and stays so"
    table(folder).save(rows(spark, "newer"))
    assert values(folder) == ["newer"]
    (part,) = folder.glob("*.parquet")
    assert pq.read_table(part).to_pylist() == [{"value": "newer"}]


def test_where_folders_cannot_change_places_they_are_renamed(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SparkFolder, "_exchange", lambda _: False)
    table(folder).save(rows(spark, "new"))
    assert values(folder) == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["my table"]


def test_a_table_that_is_half_written_is_no_successor(spark: SparkSession, folder: Path) -> None:
    half = folder.with_name("my table.new")
    rows(spark, "half").write.parquet(str(half))
    (half / "_SUCCESS").unlink()
    assert values(folder) == ["old"]
