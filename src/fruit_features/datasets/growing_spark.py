"""A Spark dataset that runs append to, and that the first run finds missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.spark import SparkDatasetV2
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class GrowingSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` that loads no rows where nothing has been saved yet; `load_args.schema` (a DDL string) is required."""

    def _load(self) -> DataFrame:
        try:
            loaded: DataFrame = super()._load()
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            return SparkSession.builder.getOrCreate().createDataFrame([], self._schema)
        return loaded
