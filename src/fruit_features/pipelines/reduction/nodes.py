"""Nodes of the reduction pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.analysis import pca
from fruit_features.spark.feature_store import usable_features
from fruit_features.analysis.pca import FloatArray, Moments, PcaModel
from fruit_features.pipelines.reduction.parameters import ReductionParameters

_MOMENTS_SCHEMA = "count bigint, total binary, products binary"

_MOST_PARTIAL_SUMS = 32
"""Each is 13 MB at 1280 features, and the driver merges them: more cores than these would cost more than they bring."""

_ROWS_IN_HAND = 4096
"""Rows that a worker gathers before it sums them: 21 MB at 1280 features."""


def fit_pca(
    featurized_photos: DataFrame, feature_store: DataFrame, parameters: ReductionParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the PCA: one look at the features for their range, one for their moments, one eigendecomposition on the driver.

    The same photos give the same bits, whatever the number of cores and the history of the feature store.

    Args:
        featurized_photos: What became of each listed photo: path, length, modificationTime, fingerprint, error.
        feature_store: The features of all photos ever featurized.
        parameters: Threshold or number of components.

    Returns:
        (pca_model, explained_variance): one row with mean (list<double>[n_features]), eigenvalues (list<double>[n_features]),
        eigenvectors (list<list<double>>, a kept component each), n_components, n_photos, fingerprint, centred,
        variance_threshold; and a row per component with component (from 1), explained_variance_ratio, cumulative.

    Raises:
        ValueError: Fewer than two photos, or no variance.

    """
    features = usable_features(featurized_photos, feature_store)
    largest = F.max(F.greatest(F.array_max("features"), -F.array_min("features")))
    ((count, largest, fingerprint),) = features.agg(F.count("*"), largest, F.first("fingerprint")).collect()
    step = pca.grid_step(largest or 0.0, count)
    n_partial_sums = min(_MOST_PARTIAL_SUMS, features.sparkSession.sparkContext.defaultParallelism)
    spread = features.select("features").coalesce(n_partial_sums)
    partial_sums = spread.mapInArrow(partial(_sum_moments, step=step), _MOMENTS_SCHEMA).toArrow().to_pylist()
    model = pca.fit(
        pca.merge_all(_moments_of_record(record, step) for record in partial_sums),
        fingerprint=fingerprint,
        variance_threshold=parameters.variance_threshold,
        n_components=parameters.n_components,
        centred=parameters.centred,
    )
    return _model_table(model), _explained_variance_table(model.explained_variance_ratio)


def _sum_moments(batches: Iterable[pa.RecordBatch], step: float) -> Iterator[pa.RecordBatch]:
    """Sum the moments of a partition, for `DataFrame.mapInArrow`; an empty one has none."""
    moments = (Moments.of(rows, step) for rows in _gather(batches))
    first = next(moments, None)
    if first is not None:
        merged = pca.merge_all(chain([first], moments))
        yield pa.RecordBatch.from_pydict(
            {
                "count": pa.array([merged.count], pa.int64()),
                "total": pa.array([merged.total.tobytes()], pa.binary()),
                "products": pa.array([merged.products.tobytes()], pa.binary()),
            }
        )


def _gather(batches: Iterable[pa.RecordBatch]) -> Iterator[NDArray[np.float32]]:
    """Gather small record batches into arrays of at least `_ROWS_IN_HAND` rows, but for the last."""
    waiting: list[NDArray[np.float32]] = []
    for batch in batches:
        waiting.append(batch.column("features").flatten().to_numpy().reshape(len(batch), -1))
        if sum(map(len, waiting)) >= _ROWS_IN_HAND:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _moments_of_record(record: Mapping[str, Any], step: float) -> Moments:
    total = np.frombuffer(record["total"], np.int64)
    return Moments(step, record["count"], total, np.frombuffer(record["products"], np.int64).reshape(len(total), len(total)))


def _model_table(model: PcaModel) -> pd.DataFrame:
    """Lay a model out as one row that any parquet reader understands."""
    return pd.DataFrame([model.to_record()])


def _explained_variance_table(explained_variance_ratio: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "component": np.arange(1, len(explained_variance_ratio) + 1),
            "explained_variance_ratio": explained_variance_ratio,
            "cumulative": np.cumsum(explained_variance_ratio),
        }
    )
