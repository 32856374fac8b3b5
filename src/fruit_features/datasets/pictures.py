"""Photos to look at, which may be gone when results are looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.spark import SparkDatasetV2
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PHOTO_FILES = "path string, modificationTime timestamp, length bigint, content binary, _metadata struct<file_path: string>"
"""What Spark's binaryFile source loads, with what a node asks of its hidden column."""


class PicturesDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` of photos, that loads none where their folder is not: a report is drawn without them, too."""

    def _load(self) -> DataFrame:
        try:
            loaded: DataFrame = super()._load()
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            return SparkSession.builder.getOrCreate().createDataFrame([], _PHOTO_FILES)
        return loaded
