"""Nodes of the reduction pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features import pca
from fruit_features.inference import Network
from fruit_features.pca import FloatArray, Moments, PcaModel
from fruit_features.pipelines.reduction.parameters import ReductionParameters

_ROWS_PER_SUM = 2048
"""Rows per matrix product: enough for BLAS to run at full speed, 21 MB as float64 at 1280 features."""

_MOMENTS_SCHEMA = "block int, count bigint, mean binary, scatter binary"


def fit_pca(features: DataFrame, network: Network, parameters: ReductionParameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the PCA in one pass over the features.

    Photos are dealt into blocks by a hash of their path and sorted within: the same photos give the same bits, whatever the
    number of cores and the history of the feature store.

    Args:
        features: path, label, features array<float>.
        network: The network that computed them.
        parameters: Threshold or number of components.

    Returns:
        (pca_model, explained_variance): one row with mean (list<double>[n_features]), eigenvalues (list<double>[n_features]),
        eigenvectors (list<list<double>>, a kept component each), n_components, n_photos, fingerprint, centred; and a row per
        component with component (from 1), explained_variance_ratio, cumulative.

    Raises:
        ValueError: Fewer than two photos, or no variance.

    """
    block = F.pmod(F.xxhash64("path"), F.lit(parameters.n_blocks)).cast("int")
    blocks = (
        features.select(block.alias("block"), "path", "features")
        .repartition(parameters.n_blocks, "block")
        .sortWithinPartitions("block", "path")
        .select("block", "features")
    )
    rows = blocks.mapInArrow(_moments_of_blocks, _MOMENTS_SCHEMA).toArrow().sort_by("block").to_pylist()
    model = pca.fit(
        pca.merge_all(_moments_from_row(row) for row in rows),
        fingerprint=network.fingerprint,
        variance_threshold=parameters.variance_threshold,
        n_components=parameters.n_components,
        centred=parameters.centred,
    )
    return _model_table(model), _explained_variance_table(model.explained_variance_ratio)


def _moments_of_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sum the moments of each block of a partition, whose rows come sorted by block."""
    for block, pieces in groupby(_pieces(batches), key=itemgetter(0)):
        moments = pca.merge_all(Moments.of(rows) for rows in _regroup(rows for _, rows in pieces))
        yield pa.RecordBatch.from_pydict(
            {
                "block": pa.array([block], pa.int32()),
                "count": pa.array([moments.count], pa.int64()),
                "mean": pa.array([moments.mean.tobytes()], pa.binary()),
                "scatter": pa.array([moments.scatter.tobytes()], pa.binary()),
            }
        )


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Cut record batches where the block changes: (block, float32 (n_rows, n_features))."""
    for batch in batches:
        blocks = batch.column("block").to_numpy()
        rows = batch.column("features").flatten().to_numpy().reshape(len(batch), -1)
        cuts = np.flatnonzero(np.diff(blocks)) + 1
        yield from zip(blocks[[0, *cuts]].tolist(), np.split(rows, cuts), strict=True)


def _regroup(pieces: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Regroup rows to `_ROWS_PER_SUM` at a time: sums must not depend on where Arrow happened to cut its batches."""
    waiting: list[NDArray[np.float32]] = []
    n_waiting = 0
    for piece in pieces:
        rest = piece
        while n_waiting + len(rest) >= _ROWS_PER_SUM:
            n_taken = _ROWS_PER_SUM - n_waiting
            yield np.concatenate([*waiting, rest[:n_taken]])
            rest, waiting, n_waiting = rest[n_taken:], [], 0
        if len(rest):
            waiting.append(rest)
            n_waiting += len(rest)
    if waiting:
        yield np.concatenate(waiting)


def _moments_from_row(row: dict[str, Any]) -> Moments:
    mean = np.frombuffer(row["mean"])
    return Moments(row["count"], mean, np.frombuffer(row["scatter"]).reshape(len(mean), len(mean)))


def _model_table(model: PcaModel) -> pd.DataFrame:
    """Lay a model out as one row that any parquet reader understands."""
    return pd.DataFrame(
        {
            "mean": [model.mean],
            "eigenvalues": [model.eigenvalues],
            "eigenvectors": [list(model.eigenvectors)],
            "n_components": [model.n_components],
            "n_photos": [model.n_photos],
            "fingerprint": [model.fingerprint],
            "centred": [model.centred],
        }
    )


def _explained_variance_table(explained_variance_ratio: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "component": np.arange(1, len(explained_variance_ratio) + 1),
            "explained_variance_ratio": explained_variance_ratio,
            "cumulative": np.cumsum(explained_variance_ratio),
        }
    )
