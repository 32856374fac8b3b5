"""A Spark table to which runs append rows.

A first run finds no table there, and unfinished rows of a run that was killed are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kedro.io import DatasetError
from kedro_datasets.spark import SparkDatasetV2
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from fruit_features.spark.folder import UNCOMMITTED, SparkFolder
from fruit_features.spark.schemas import load_with_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NOTHING_THERE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet, and refuses what others have saved.

    One run at a time may save. What a killed run had written, but not committed, the next save throws away: Hadoop would
    commit it along with that save's own rows, which by then are the same ones again.

    `load_args.schema`, a DDL string, is required: it is what is loaded, to the column.
    """

    def _load(self) -> DataFrame:
        folder = SparkFolder(self._spark_path)
        folder.finish_replacement()
        return load_with_schema(folder, self._load_by)

    def _load_by(self, schema: StructType | None) -> DataFrame:
        session = SparkSession.builder.getOrCreate()
        expected = cast("StructType", StructType.fromDDL(self._schema))
        reader = session.read.format(self._file_format).options(**self._load_args)
        if schema == expected:
            return reader.schema(expected).load(self._spark_path)
        try:
            loaded: DataFrame = reader.load(self._spark_path)
        except AnalysisException as error:
            if error.getCondition() in _NOTHING_THERE:
                return session.createDataFrame([], expected)
            raise
        except Py4JJavaError:
            # Spark looks at one file for the schema, and that one is damaged. Reading names it, or skips it if it is empty.
            loaded = reader.schema(expected).load(self._spark_path)
        if loaded.schema != expected:
            raise DatasetError(
                f"{self._spark_path} was not written by this version: it holds {loaded.schema.simpleString()}, and "
                f"{expected.simpleString()} was expected. Move it away, or choose another output_root"
            )
        return loaded

    def _save(self, data: DataFrame) -> None:
        folder = SparkFolder(self._spark_path)
        folder.finish_replacement()
        if data.isLocal() and data.isEmpty():  # a file without rows would be one more to read for every run to come
            return
        for names in UNCOMMITTED:
            folder.delete(names)
        super()._save(data)


class ReplacedSparkDataset(GrowingSparkDataset):
    """The same folder, saved whole: rows may have been read from it, and a crash leaves the old rows or the new ones.

    The new ones are written beside it, and count once Spark has marked them as complete: if a crash keeps them from taking the
    place of the old ones, the next load or save of either dataset sees to it. Object stores rename file by file; a crash
    meanwhile may leave some rows out, which costs featurizing their photos again.

    """

    def _save(self, data: DataFrame) -> None:
        folder = SparkFolder(self._spark_path)
        writer = data.write.mode("overwrite").format(self._file_format)
        writer.options(**self._save_args).save(folder.successor)
        folder.finish_replacement()
