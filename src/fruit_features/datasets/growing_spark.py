"""A Spark dataset that runs append to, and that the first run finds missing."""

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


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet, and refuses what others have saved.

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
