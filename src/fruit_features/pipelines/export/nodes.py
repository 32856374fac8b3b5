"""Nodes of the export pipeline."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.pipelines.export.parameters import ExportParameters
from fruit_features.spark.feature_store import (
    EXPORTED_FACTS,
    PHOTO_KEY,
    components_of,
    join_features,
    names_of,
    usable_features,
)
from fruit_features.spark.projection import project
from fruit_features.spark.reducers import load_reduction
from fruit_features.spark.spreadsheet import escape_formula


def project_features(featurized_photos: DataFrame, feature_store: DataFrame, pca_model: pd.DataFrame) -> DataFrame:
    """Project features on the kept components.

    Args:
        featurized_photos: What became of each listed photo: path, label, digest, fingerprint, error.
        feature_store: The features of all photos ever featurized.
        pca_model: The one row that the reduction pipeline wrote.

    Returns:
        path, label, split if there is one, pca_1 .. pca_k (float).

    Raises:
        ValueError: The model was fitted on features of another network.

    """
    reduction = load_reduction(pca_model)
    first = featurized_photos.select("fingerprint").first()
    if first is not None:
        reduction.check_fits(first["fingerprint"])
    return project(usable_features(featurized_photos, feature_store), reduction)


def embed_components(featurized_photos: DataFrame, pca_features: DataFrame) -> DataFrame:
    """Put the components of each photo into one column, for tools that search among vectors.

    Args:
        featurized_photos: path, label, split if there is one, digest, `spark.feature_store.EXPORTED_FACTS`, of each photo.
        pca_features: path, label, split if there is one, pca_1 .. pca_k.

    Returns:
        path, label, split if there is one, digest, facts, embedding array<float>[k], in the order of their paths.

    """
    embedded = pca_features.select("path", F.array(*components_of(pca_features)).alias("embedding"))
    return _describe_embedded(featurized_photos.join(embedded, "path"))


def embed_features(featurized_photos: DataFrame, feature_store: DataFrame) -> DataFrame:
    """Join each photo that became features with these features, for tools that search among vectors.

    Args:
        featurized_photos: path, label, split if there is one, digest, `spark.feature_store.EXPORTED_FACTS`, fingerprint,
            error, of each photo.
        feature_store: digest, features, fingerprint, error: all contents ever featurized.

    Returns:
        path, label, split if there is one, digest, facts, embedding array<float>[n_features], in the order of their paths.

    """
    return _describe_embedded(join_features(featurized_photos, feature_store).withColumnRenamed("features", "embedding"))


def _describe_embedded(photos: DataFrame) -> DataFrame:
    return photos.select(*names_of(photos), "digest", *EXPORTED_FACTS, "embedding").orderBy("path")


def sort_for_csv(pca_features: DataFrame, parameters: ExportParameters) -> DataFrame:
    """Sort the rows by path, into as many partitions as there are to be CSV files: one is the same whenever the rows are.

    Args:
        pca_features: path, label, pca_1 .. pca_k.
        parameters: How many files, and whether to disarm what a spreadsheet would take for a formula.

    """
    n_files = parameters.n_csv_files
    spread = pca_features.repartition(1) if n_files == 1 else pca_features.repartitionByRange(n_files, "path")
    rows = spread.sortWithinPartitions("path")
    if not parameters.escape_formulas:
        return rows
    return rows.withColumns({name: escape_formula(name) for name in names_of(rows)})


def list_rejects(featurized_photos: DataFrame, parameters: ExportParameters) -> DataFrame:
    """List the photos that did not become features, in the order of their paths.

    Args:
        featurized_photos: What became of each listed photo: path, label, error.
        parameters: Whether to disarm what a spreadsheet would take for a formula.

    Returns:
        path, label, reason, in one partition.

    """
    rejected = featurized_photos.where(F.col("error").isNotNull()).select("path", "label", F.col("error").alias("reason"))
    rows = rejected.repartition(1).sortWithinPartitions("path")
    if not parameters.escape_formulas:
        return rows
    return rows.withColumns({name: escape_formula(name) for name in rows.columns})


def account_for_photos(
    photos: DataFrame,
    featurized_photos: DataFrame,
    pca_features_csv: DataFrame,
    rejected_images: DataFrame,
    parameters: ExportParameters,
) -> dict[str, Any]:
    """Count the photos at every stage, and refuse a result that lost or doubled one.

    Args:
        photos: The listing.
        featurized_photos: What became of each listed photo: path, fingerprint, error.
        pca_features_csv: The export that people open, read back to be counted.
        rejected_images: The table of rejects that people open, read back to be counted.
        parameters: The share of rejected photos at which a run counts as failed.

    Returns:
        listed, rejected, exported; rejected_by_reason; components; fingerprint (of the network that the features are of).

    Raises:
        RuntimeError: The listing has photos that were not featurized yet, listed is not exported + rejected, or more than
            `max_reject_ratio` of the photos were rejected.

    """
    listed, exported, rejected = photos.count(), pca_features_csv.count(), rejected_images.count()
    reasons = featurized_photos.groupBy("error").agg(F.count("*").alias("n_photos"), F.first("fingerprint").alias("by"))
    by_reason = {row["error"]: row for row in reasons.collect()}
    fingerprint = next((row["by"] for row in by_reason.values()), None)
    by_reason.pop(None, None)
    rejected_by_reason = {reason: by_reason[reason]["n_photos"] for reason in sorted(by_reason)}
    n_unknown = photos.join(featurized_photos, PHOTO_KEY, "left_anti").count()
    if n_unknown:
        raise RuntimeError(
            f"{n_unknown} of the {listed} photos that were listed last have not been featurized: what was exported is of an "
            "older listing. Run all stages after the listing: kedro run --pipelines featurization,reduction,export"
        )
    if listed != exported + rejected or rejected != sum(rejected_by_reason.values()):
        raise RuntimeError(
            f"{listed} photos were listed, but {exported} exported and {rejected} rejected: the feature store lacks photos or "
            "holds some twice. Delete the store (04_feature/feature_store) and run again; the photos are untouched"
        )
    if parameters.max_reject_ratio is not None and rejected > parameters.max_reject_ratio * listed:
        raise RuntimeError(
            f"{rejected} of {listed} photos were rejected, more than export.max_reject_ratio={parameters.max_reject_ratio} "
            f"allows; everything is written, rejected_images has their reasons: {rejected_by_reason}"
        )
    return {
        "listed": listed,
        "rejected": rejected,
        "exported": exported,
        "rejected_by_reason": rejected_by_reason,
        "components": len(components_of(pca_features_csv)),
        "fingerprint": fingerprint,
    }
