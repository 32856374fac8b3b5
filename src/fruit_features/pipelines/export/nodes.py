"""Nodes of the export pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from fruit_features.inference import Network
from fruit_features.pca import PcaModel
from fruit_features.pipelines.export.parameters import ExportParameters
from fruit_features.spreadsheet import escape_formula


def project_features(features: DataFrame, pca_model: pd.DataFrame, network: Network) -> DataFrame:
    """Project features on the kept components.

    Args:
        features: path, label, features array<float>.
        pca_model: The one row that the reduction pipeline wrote.
        network: The network that computed the features.

    Returns:
        path, label, pca_1 .. pca_k (float).

    Raises:
        ValueError: The model was fitted on features of another network.

    """
    model = PcaModel.from_record(pca_model.iloc[0].to_dict())
    network.check_fits(model.fingerprint)
    columns = [f"pca_{component}" for component in range(1, model.n_components + 1)]

    def project_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = batch.column("features").flatten().to_numpy().reshape(len(batch), -1)
            projected = np.ascontiguousarray(model.project(rows).T)
            yield pa.RecordBatch.from_arrays(
                [batch.column("path"), batch.column("label"), *map(pa.array, projected)], ["path", "label", *columns]
            )

    schema = ", ".join(["path string", "label string", *(f"{column} float" for column in columns)])
    n_files = features.sparkSession.sparkContext.defaultParallelism
    return features.coalesce(n_files).mapInArrow(project_batches, schema)


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
    return rows.withColumns({name: escape_formula(name) for name in ("path", "label")})


def account_for_photos(
    photos: DataFrame,
    pending_photos: DataFrame,
    pca_features_csv: DataFrame,
    rejected_images: DataFrame,
    parameters: ExportParameters,
) -> dict[str, Any]:
    """Count the photos at every stage, and refuse a result that lost or doubled one.

    Args:
        photos: The listing.
        pending_photos: The photos that this run had to featurize.
        pca_features_csv: The export that people open, read back.
        rejected_images: path, label, reason.
        parameters: The share of rejected photos at which a run counts as failed.

    Returns:
        listed, featurized (by this run), reused (from earlier runs), rejected, exported; rejected_by_reason; components.

    Raises:
        RuntimeError: listed is not exported + rejected, or more than `max_reject_ratio` of the photos were rejected.

    """
    listed, pending = photos.count(), pending_photos.count()
    rejected_by_reason = {row["reason"]: row["count"] for row in rejected_images.groupBy("reason").count().collect()}
    rejected, exported = sum(rejected_by_reason.values()), pca_features_csv.count()
    if listed != exported + rejected:
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
        "featurized": pending,
        "reused": listed - pending,
        "rejected": rejected,
        "exported": exported,
        "rejected_by_reason": rejected_by_reason,
        "components": len(pca_features_csv.columns) - len(["path", "label"]),
    }
