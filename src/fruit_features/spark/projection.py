"""Projects features on the columns of a fitted reduction, on Spark's workers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from fruit_features.analysis.reduction import Reduction


def project(features: DataFrame, reduction: Reduction) -> DataFrame:
    """Project features.

    Args:
        features: path, label, features array<float>.
        reduction: The fitted reduction.

    Returns:
        path, label, and the reduction's columns (float), in no more partitions than there are cores.

    """
    schema = ", ".join(["path string", "label string", *(f"{column} float" for column in reduction.columns)])
    n_partitions = features.sparkSession.sparkContext.defaultParallelism
    return features.coalesce(n_partitions).mapInArrow(partial(_project_batches, reduction=reduction), schema)


def _project_batches(batches: Iterable[pa.RecordBatch], reduction: Reduction) -> Iterator[pa.RecordBatch]:
    names = ["path", "label", *reduction.columns]
    for batch in batches:
        rows = batch.column("features").flatten().to_numpy().reshape(len(batch), -1)
        projected = np.ascontiguousarray(reduction.project(rows).T)
        yield pa.RecordBatch.from_arrays([batch.column("path"), batch.column("label"), *map(pa.array, projected)], names)
