"""A folder of photos as a Spark table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from kedro_datasets.spark import SparkDatasetV2
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType

from fruit_features.photos.tree import glob_to_regex, walk

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class PhotoFolderDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` of the format binaryFile, with one more column: why a file can be no photo, whatever is in it.

    Spark's own listing follows links to the parents of a folder, leaves out names that are not UTF-8, and takes a named pipe
    for an empty file. So folders on a disk are listed here, as `photo_tree.walk` says; others, such as those on S3, by Spark.

    `load_args.pathGlobFilter` is required: it is what the names of photos match.

    Loads path, modificationTime, length, content (read only if it is asked for; null for a file that cannot be read), and
    error.
    """

    def _load(self) -> DataFrame:
        if self._protocol != "file":
            loaded: DataFrame = super()._load()
            return loaded.withColumn("error", F.lit(None).cast("string"))
        tree = walk(Path(self._path), glob_to_regex(self._load_args["pathGlobFilter"]))
        listing = pa.table(
            {
                "path": pa.array([f"file:{path}" for path in tree.paths], pa.string()),
                "modificationTime": pa.array(tree.modified, pa.int64()),
                "length": pa.array(tree.lengths, pa.int64()),
                "error": pa.array(tree.errors, pa.string()),
            }
        )
        files = SparkSession.builder.getOrCreate().createDataFrame(listing)
        return files.select(
            "path",
            F.timestamp_millis("modificationTime").alias("modificationTime"),
            "length",
            F.udf(_read, BinaryType())("path", "error").alias("content"),
            "error",
        )


def _read(path: str, error: str | None) -> bytes | None:
    if error is not None:  # reading a named pipe would wait for someone to write
        return None
    try:
        return Path(path.removeprefix("file:")).read_bytes()
    except OSError:
        return None
