"""Nodes of the ingestion pipeline."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.spark.feature_store import refuse_unread


def list_photos(images: DataFrame) -> DataFrame:
    """List the photos with their labels, without reading them.

    Args:
        images: path, modificationTime, length, content, and error: why a file can be no photo, whatever is in it.

    Returns:
        path, label (the folder that holds the photo), length (bytes), modificationTime, error.

    """
    label = F.element_at(F.split("path", "/"), -2).alias("label")
    error = F.coalesce("error", refuse_unread()).alias("error")
    return images.select("path", label, "length", "modificationTime", error)
