"""Neighbours by Spark: those of scikit-learn, whatever the partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from fruit_features.spark import blocks
from fruit_features.spark.neighbours import find_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from fruit_features.analysis.neighbours import Metric


def table_of(spark: SparkSession, rows: NDArray[Any]) -> DataFrame:
    """Photos whose order by path is that of the rows."""
    paths = [f'file:/photos/{number:05}, "one".jpg' for number in range(len(rows))]
    return spark.createDataFrame(list(zip(paths, rows.tolist(), strict=True)), "path string, vector array<float>")


def found_in(photos: DataFrame, n_neighbours: int, metric: Metric = "euclidean", *, is_exact: bool = True) -> pd.DataFrame:
    found = find_neighbours(photos, n_neighbours, metric, is_exact=is_exact)
    return found.toPandas().sort_values(["path", "rank"], ignore_index=True)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_scikit_learn(spark: SparkSession, metric: Metric) -> None:
    from sklearn.neighbors import NearestNeighbors

    rows = np.random.default_rng(0).normal(3, 2, (2500, 20)).astype(np.float32)
    found = found_in(table_of(spark, rows), 10, metric)
    distances, numbers = (
        NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute").fit(rows.astype(float)).kneighbors()
    )
    assert found["rank"].tolist() == [*range(1, 11)] * 2500
    np.testing.assert_allclose(found["distance"].to_numpy().reshape(-1, 10), distances, rtol=1e-4, atol=1e-6)
    here = found["neighbour"].str.extract(r"/(\d+),")[0].astype(int).to_numpy().reshape(-1, 10)
    assert (here != numbers).mean() < 0.001


def test_partitions_and_blocks_make_no_difference(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).integers(0, 4, (300, 3)).astype(np.float32)  # many are equally far
    photos = table_of(spark, rows)
    expected = found_in(photos, 5)
    pd.testing.assert_frame_equal(found_in(photos.repartition(5), 5), expected)
    monkeypatch.setattr(blocks, "_MAX_BLOCK_ROWS", 37)
    pd.testing.assert_frame_equal(found_in(photos.orderBy("vector"), 5), expected)


@pytest.mark.parametrize("n_photos", [0, 1, 3])
def test_few_photos_have_few_neighbours(spark: SparkSession, n_photos: int) -> None:
    found = found_in(table_of(spark, np.arange(n_photos, dtype=np.float32)[:, np.newaxis]), 10)
    assert len(found) == n_photos * max(0, n_photos - 1)
    assert list(found.columns) == ["path", "rank", "neighbour", "distance"]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_index_finds_the_same_neighbours_of_few_photos(spark: SparkSession, metric: Metric) -> None:
    rows = np.random.default_rng(3).normal(3, 2, (1500, 20)).astype(np.float32)  # all groups are looked at
    photos = table_of(spark, rows).repartition(3)
    expected = found_in(photos, 10, metric)
    pd.testing.assert_frame_equal(found_in(photos, 10, metric, is_exact=False), expected)


@pytest.mark.parametrize("n_photos", [0, 1, 3])
def test_an_index_of_few_photos_has_few_neighbours(spark: SparkSession, n_photos: int) -> None:
    photos = table_of(spark, np.arange(n_photos, dtype=np.float32)[:, np.newaxis])
    pd.testing.assert_frame_equal(found_in(photos, 10, is_exact=False), found_in(photos, 10))
