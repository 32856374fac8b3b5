"""Small tables of Spark as the stages hand them to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FINGERPRINT = "tiny-openvino"
"""That of the fixture `tiny_network`."""


def as_stored(features: DataFrame, fingerprint: str = FINGERPRINT) -> tuple[DataFrame, DataFrame]:
    """Split features of photos into what became of each photo, and a feature store.

    Args:
        features: path, label, features array<float>.
        fingerprint: Of the network that computed them.

    Returns:
        (featurized_photos, feature_store), as the catalog holds them.

    """
    rows = features.selectExpr(
        "path",
        "label",
        "100L AS length",
        "timestamp'2026-01-01 12:00:00' AS modificationTime",
        "sha2(path, 256) AS digest",
        f"'{fingerprint}' AS fingerprint",
        "CAST(NULL AS STRING) AS error",
        "features",
    )
    return rows.drop("features"), rows.select("digest", "length", "features", "error", "fingerprint")


def with_outcomes(photos: DataFrame, rejected: DataFrame) -> DataFrame:
    """Say of each listed photo whether it was rejected, and why.

    Args:
        photos: path, label, and more.
        rejected: path, reason.

    """
    return photos.drop("error").join(rejected.selectExpr("path", "reason AS error"), "path", "left")
