"""PCA of features that are spread over Spark's partitions: each sums its moments, and the driver merges the sums."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from fruit_features.analysis import pca
from fruit_features.analysis.pca import Moments, PcaModel
from fruit_features.spark.reducers.base import Reducer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from fruit_features.spark.reducers.base import ReductionOptions

_MOMENTS_SCHEMA = "count bigint, total binary, products binary"

_MAX_PARTIAL_SUMS = 32
"""Each is 13 MB at 1280 features, and the driver merges them: more cores than these would cost more than they bring."""

_ROWS_AT_ONCE = 4096
"""Rows that a worker gathers before it sums them: 21 MB at 1280 features."""


class Pca(Reducer):
    """Principal component analysis, as `analysis.pca` defines it."""

    name = "pca"

    def fit(self, features: DataFrame, options: ReductionOptions) -> PcaModel:
        """Look at the features once for their range and once for their moments, and decompose the covariance on the driver.

        Raises:
            ValueError: Fewer than two photos, no variance, or more components asked for than there are features.

        """
        largest = F.max(F.greatest(F.array_max("features"), -F.array_min("features")))
        ((count, largest, fingerprint),) = features.agg(F.count("*"), largest, F.first("fingerprint")).collect()
        step = pca.grid_step(largest or 0.0, count)
        n_partial_sums = min(_MAX_PARTIAL_SUMS, features.sparkSession.sparkContext.defaultParallelism)
        spread = features.select("features").coalesce(n_partial_sums)
        partial_sums = spread.mapInArrow(partial(_sum_moments, step=step), _MOMENTS_SCHEMA).toArrow().to_pylist()
        return pca.fit(
            pca.merge_all(_moments_of_record(record, step) for record in partial_sums),
            fingerprint=fingerprint,
            variance_threshold=options.variance_threshold,
            n_components=options.n_components,
            centred=options.centred,
        )

    def load(self, record: Mapping[Hashable, Any]) -> PcaModel:
        """Read a model back."""
        return PcaModel.from_record(record)


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
    """Gather small record batches into arrays of at least `_ROWS_AT_ONCE` rows, but for the last."""
    waiting: list[NDArray[np.float32]] = []
    for batch in batches:
        waiting.append(batch.column("features").flatten().to_numpy().reshape(len(batch), -1))
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _moments_of_record(record: Mapping[str, Any], step: float) -> Moments:
    total = np.frombuffer(record["total"], np.int64)
    return Moments(step, record["count"], total, np.frombuffer(record["products"], np.int64).reshape(len(total), len(total)))
