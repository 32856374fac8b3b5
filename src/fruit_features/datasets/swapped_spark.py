"""A Spark table that is replaced as a whole: readers find the old rows until the new ones are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro_datasets.spark import SparkDatasetV2
from pyspark.sql import SparkSession

from fruit_features.spark.folder import SparkFolder
from fruit_features.spark.schemas import load_with_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


class SwappedSparkDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` whose save replaces a table as a whole: a crash leaves the old table or the new one.

    Spark's own overwriting deletes the old table first, before it computes the new one. Here the new one is written beside
    it and takes its place when Spark has marked it as complete. Object stores cannot rename folders: there Spark overwrites
    as it does by itself, and a run that is killed meanwhile leaves no table.
    """

    def _load(self) -> DataFrame:
        folder = SparkFolder(self._spark_path)
        if folder.is_replaced_at_once:
            folder.finish_replacement()
        is_inferred = self._file_format == "parquet" and not self._schema
        return load_with_schema(folder, self._load_by) if is_inferred else self._load_by(None)

    def _load_by(self, schema: StructType | None) -> DataFrame:
        if schema is None:
            loaded: DataFrame = super()._load()
            return loaded
        reader = SparkSession.builder.getOrCreate().read.schema(schema)
        return reader.format(self._file_format).options(**self._load_args).load(self._spark_path)

    def _save(self, data: DataFrame) -> None:
        folder = SparkFolder(self._spark_path)
        if not folder.is_replaced_at_once:
            super()._save(data)
            return
        options = {name: value for name, value in self._save_args.items() if name != "mode"}
        data.write.mode("overwrite").format(self._file_format).options(**options).save(folder.successor)
        folder.finish_replacement()
