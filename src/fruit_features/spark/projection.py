"""Projects features on the columns of a fitted reduction, on Spark's workers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fruit_features.spark.feature_store import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from fruit_features.analysis.reduction import Reduction


def project(features: DataFrame, reduction: Reduction) -> DataFrame:
    """Project features.

    Args:
        features: path, label, split if there is one, features array<float>.
        reduction: The fitted reduction.

    Returns:
        path, label, split if there is one, and the reduction's columns (float), in no more partitions than there are cores.

    """
    names = names_of(features)
    schema = ", ".join([*(f"{name} string" for name in names), *(f"{column} float" for column in reduction.columns)])
    n_partitions = features.sparkSession.sparkContext.defaultParallelism
    return features.coalesce(n_partitions).mapInArrow(partial(_project_batches, names=names, reduction=reduction), schema)


def _project_batches(batches: Iterable[pa.RecordBatch], names: list[str], reduction: Reduction) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = batch.column("features").flatten().to_numpy().reshape(len(batch), -1)
        projected = np.ascontiguousarray(reduction.project(rows).T)
        columns = [*map(batch.column, names), *map(pa.array, projected)]
        yield pa.RecordBatch.from_arrays(columns, [*names, *reduction.columns])
