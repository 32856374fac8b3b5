"""Nodes of the ingestion pipeline."""

from __future__ import annotations

from urllib.parse import unquote

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from fruit_features.storage.object_store import REPLACEMENT_CHARACTER

NOT_IN_XML = "the name has characters that a listing of S3 cannot carry: rename the object"


def list_photos(images: DataFrame) -> DataFrame:
    """List the photos with their labels, without reading them.

    Args:
        images: path, modificationTime, length, content, and error: why a file can be no photo, whatever is in it.

    Returns:
        path, label (the folder that holds the photo), length (bytes), modificationTime, error.

    """
    listing = images.select("path", _label("path"), "length", "modificationTime", "error")
    listing = listing.coalesce(images.sparkSession.sparkContext.defaultParallelism)  # short rows: a few files hold them all
    n_files = len(images._jdf.inputFiles())  # noqa: SLF001 - `inputFiles()` fetches every name, one by one
    if n_files == 0:  # not listed by Spark, which alone leaves files out
        return listing
    listing = listing.cache()  # it is counted here and then saved
    return listing if listing.count() == n_files else listing.unionByName(_list_empty_files(images))


def _list_empty_files(images: DataFrame) -> DataFrame:
    """List the files that Spark's own file sources leave out: those of no bytes, and those that it does not find again.

    Nor does Spark tell when they were modified: that is given as the beginning of time.
    """
    listed = {row["file_path"] for row in images.select("_metadata.file_path").toLocalIterator()}
    empty = [(unquote(uri),) for uri in images.inputFiles() if uri not in listed]
    return images.sparkSession.createDataFrame(empty, "path string").select(
        "path",
        _label("path"),
        F.lit(0).cast("bigint").alias("length"),
        F.timestamp_seconds(F.lit(0)).alias("modificationTime"),
        F.when(F.col("path").contains(REPLACEMENT_CHARACTER), NOT_IN_XML).alias("error"),
    )


def _label(path: str) -> Column:
    return F.element_at(F.split(path, "/"), -2).alias("label")
