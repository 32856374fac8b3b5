"""Nodes of the ingestion pipeline."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def list_photos(images: DataFrame) -> DataFrame:
    """List the photos with their labels, without reading them.

    Args:
        images: Spark's binaryFile source: path, modificationTime, length, content.

    Returns:
        path, label (the folder that holds the photo), length (bytes), modificationTime, and file_path, the URI-encoded path
        that Spark can filter files by before it opens them.

    """
    label = F.element_at(F.split("path", "/"), -2)
    listing = images.select("path", label.alias("label"), "length", "modificationTime", F.col("_metadata.file_path"))
    return listing.coalesce(images.sparkSession.sparkContext.defaultParallelism)  # short rows: a few files hold them all
