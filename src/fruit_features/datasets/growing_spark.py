"""A Spark dataset that runs append to, that the first run finds missing, and that a killed run may leave in disorder."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kedro.io import DatasetError
from kedro_datasets.spark import SparkDatasetV2
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NOTHING_THERE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")

_UNCOMMITTED = "_temporary"
"""Where Hadoop's committer gathers what tasks have written, and whence it takes *all* when a job commits."""


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet, and refuses what others have saved.

    One run at a time may save. What a killed run had written, but not committed, the next save throws away: Hadoop would
    commit it along with that save's own rows, which by then are the same ones again.

    `load_args.schema`, a DDL string, is required: it is what is loaded, to the column.
    """

    def _load(self) -> DataFrame:
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

    def _save(self, data: DataFrame) -> None:
        context = SparkSession.builder.getOrCreate().sparkContext
        # Hadoop's own file systems: wherever Spark can write, they can delete.
        uncommitted = context._jvm.org.apache.hadoop.fs.Path(self._spark_path, _UNCOMMITTED)  # type: ignore[union-attr]  # noqa: SLF001
        uncommitted.getFileSystem(context._jsc.hadoopConfiguration()).delete(uncommitted, True)  # noqa: SLF001
        super()._save(data)
