"""A Spark dataset that runs append to, that the first run finds missing, and that can be rewritten in safety."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import fsspec
from kedro.io import DatasetError
from kedro_datasets.spark import SparkDatasetV2
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NOTHING_THERE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet, and refuses what others have saved.

    `load_args.schema`, a DDL string, is required: it is what is loaded, to the column.
    """

    def _load(self) -> DataFrame:
        _finish_replacement(self._spark_path)
        session = SparkSession.builder.getOrCreate()
        expected = cast("StructType", StructType.fromDDL(self._schema))
        reader = session.read.format(self._file_format).options(**self._load_args)
        try:
            loaded: DataFrame = reader.load(self._spark_path)
        except AnalysisException as error:
            if error.getCondition() in _NOTHING_THERE:
                return session.createDataFrame([], expected)
            raise
        if loaded.schema != expected:
            raise DatasetError(
                f"{self._spark_path} was not written by this version: it holds {loaded.schema.simpleString()}, and "
                f"{expected.simpleString()} was expected. Move it away, or choose another output_root"
            )
        return loaded


class ReplacedSparkDataset(GrowingSparkDataset):
    """The same folder, saved whole: rows may have been read from it, and a crash leaves the old rows or the new ones.

    The new ones are written beside it, and count once Spark has marked them as complete: if a crash keeps them from taking the
    place of the old ones, the next load of either dataset sees to it. Object stores rename file by file; a crash meanwhile may
    leave some rows out, which costs featurizing their photos again.
    """

    def _save(self, data: DataFrame) -> None:
        writer = data.write.mode("overwrite").format(self._file_format)
        writer.options(**self._save_args).save(_successor(self._spark_path))
        _finish_replacement(self._spark_path)


def _successor(path: str) -> str:
    return f"{path}.new"


def _finish_replacement(path: str) -> None:
    """Put a complete successor, if there is one, in the place of a folder; called again after a crash, it goes on."""
    fs, folder = fsspec.core.url_to_fs(path)
    successor = _successor(folder)
    if not fs.exists(f"{successor}/_SUCCESS"):
        return
    if fs.exists(folder):
        fs.rm(folder, recursive=True)
    fs.mv(successor, folder, recursive=True)
