"""The feature store as tables of Spark: what identifies a photo in it, and how its features are joined with a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PHOTO_KEY = ["path", "length", "modificationTime"]
"""A photo with the same path, size and time is taken to be the same photo."""


def usable_features(featurized_photos: DataFrame, feature_store: DataFrame) -> DataFrame:
    """Join the photos that became features with these features.

    Args:
        featurized_photos: path, label, length, modificationTime, fingerprint, error: what became of each listed photo.
        feature_store: path, length, modificationTime, features array<float>, error, fingerprint: all photos ever featurized.

    Returns:
        path, label, features array<float>, fingerprint, of the photos without an error.

    """
    usable = featurized_photos.where(F.col("error").isNull()).drop("error")
    stored = feature_store.where(F.col("features").isNotNull()).drop("error")
    return usable.join(stored, [*PHOTO_KEY, "fingerprint"]).select("path", "label", "features", "fingerprint")
