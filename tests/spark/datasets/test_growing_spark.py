"""A Spark dataset that the first run finds missing, and every run appends to."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

import pytest
from kedro.io import DatasetError
from py4j.protocol import Py4JJavaError

from fruit_features.datasets import GrowingSparkDataset, ReplacedSparkDataset

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

SCHEMA = "path string, features array<float>"


def store(folder: Path, file_format: str = "parquet") -> GrowingSparkDataset:
    return GrowingSparkDataset(
        filepath=folder.as_posix(), file_format=file_format, load_args={"schema": SCHEMA}, save_args={"mode": "append"}
    )


def test_what_is_not_there_yet_has_no_rows_but_a_schema(spark: SparkSession, tmp_path: Path) -> None:
    loaded = store(tmp_path / "store").load()
    assert loaded.schema.simpleString() == "struct<path:string,features:array<float>>"
    assert loaded.collect() == []


def test_an_empty_folder_has_no_rows_either(spark: SparkSession, tmp_path: Path) -> None:
    loaded = store(tmp_path).load()
    assert (loaded.columns, loaded.count()) == (["path", "features"], 0)


def test_every_save_appends(spark: SparkSession, tmp_path: Path) -> None:
    dataset = store(tmp_path / "store")
    for path in ("a", "b"):
        dataset.save(spark.createDataFrame([(path, [0.5, 1.0])], SCHEMA))
    assert sorted((row["path"], row["features"]) for row in dataset.load().collect()) == [
        ("a", [0.5, 1.0]),
        ("b", [0.5, 1.0]),
    ]


def test_what_a_killed_run_did_not_commit_is_not_committed_by_the_next(spark: SparkSession, tmp_path: Path) -> None:
    dataset = store(tmp_path / "store")
    dataset.save(spark.createDataFrame([("a", [0.5])], SCHEMA).coalesce(1))
    (committed,) = (tmp_path / "store").glob("part-*.parquet")
    task = tmp_path / "store" / "_temporary" / "0" / "task_202511250000000000000000000000000_0020_m_000000"
    task.mkdir(parents=True)
    shutil.copy(committed, task / f"part-00000-{uuid.uuid4()}-c000.snappy.parquet")
    dataset.save(spark.createDataFrame([("b", [1.0])], SCHEMA))
    assert sorted(row["path"] for row in dataset.load().collect()) == ["a", "b"]


def test_another_fault_than_a_missing_path_is_passed_on(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no_such_format"):
        store(tmp_path / "store", "no_such_format").load()


def test_what_another_version_wrote_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    other = spark.createDataFrame([("a", [0.5], "x")], "path string, features array<double>, extra string")
    other.write.parquet(str(tmp_path / "store"))
    message = r"store was not written by this version: .*extra:string.*array<float>.* was expected.*another output_root"
    with pytest.raises(DatasetError, match=message):
        store(tmp_path / "store").load()


@pytest.mark.parametrize("content", [pytest.param(b"noise" * 200, id="noise"), pytest.param(b"", id="emptied")])
def test_any_file_may_be_damaged_and_it_is_named(content: bytes, spark: SparkSession, tmp_path: Path) -> None:
    dataset = store(tmp_path / "store")
    for path in ("a", "b"):
        dataset.save(spark.createDataFrame([(path, [0.5])], SCHEMA).coalesce(1))
    files = sorted((tmp_path / "store").glob("part-*.parquet"))
    assert len(files) == 2
    for file in files:  # one of them is the one that Spark takes the schema from
        whole = file.read_bytes()
        file.write_bytes(content)
        if content:
            with pytest.raises(Py4JJavaError, match=rf"FAILED_READ_FILE(.|\n)*{file.name}"):
                dataset.load().collect()
        else:
            assert dataset.load().count() == 1
        file.write_bytes(whole)


# --- rewriting --------------------------------------------------------------------------------------------------------


def replaced(folder: Path) -> ReplacedSparkDataset:
    return ReplacedSparkDataset(filepath=folder.as_posix(), load_args={"schema": SCHEMA})


def paths(folder: Path) -> list[str]:
    return sorted(row["path"] for row in store(folder).load().collect())


@pytest.fixture
def filled(spark: SparkSession, tmp_path: Path) -> Path:
    """A store of the photos a and b."""
    for path in ("a", "b"):
        store(tmp_path / "store").save(spark.createDataFrame([(path, [0.5])], SCHEMA))
    return tmp_path / "store"


def test_what_was_read_from_a_folder_can_replace_it(filled: Path) -> None:
    replaced(filled).save(store(filled).load().where("path = 'b'"))
    assert paths(filled) == ["b"]
    assert [path.name for path in filled.parent.iterdir()] == ["store"]


def test_a_replacement_can_be_the_first_that_is_saved(spark: SparkSession, tmp_path: Path) -> None:
    replaced(tmp_path / "store").save(spark.createDataFrame([("a", [0.5])], SCHEMA))
    assert paths(tmp_path / "store") == ["a"]


def test_a_replacement_that_fails_leaves_what_was_there(filled: Path) -> None:
    failing = store(filled).load().selectExpr("cast(raise_error('power cut') as string) as path", "features")
    with pytest.raises(DatasetError, match="power cut"):
        replaced(filled).save(failing)
    assert paths(filled) == ["a", "b"]


def test_half_a_successor_is_ignored_and_written_anew(spark: SparkSession, filled: Path) -> None:
    half = filled.with_name("store.new")
    spark.createDataFrame([("c", [0.5])], SCHEMA).write.parquet(str(half))
    (half / "_SUCCESS").unlink()
    assert paths(filled) == ["a", "b"]
    replaced(filled).save(store(filled).load().where("path = 'b'"))
    assert paths(filled) == ["b"]


@pytest.mark.parametrize("left_of_the_old", ["everything", "one file", "nothing"])
def test_a_load_finishes_a_replacement_that_a_crash_cut_short(spark: SparkSession, filled: Path, left_of_the_old: str) -> None:
    spark.createDataFrame([("c", [0.5])], SCHEMA).write.parquet(str(filled.with_name("store.new")))
    if left_of_the_old == "nothing":
        shutil.rmtree(filled)
    elif left_of_the_old == "one file":
        next(filled.glob("part-*.parquet")).unlink()
    assert paths(filled) == ["c"]
    assert not filled.with_name("store.new").exists()
    store(filled).save(spark.createDataFrame([("d", [0.5])], SCHEMA))
    assert paths(filled) == ["c", "d"]
