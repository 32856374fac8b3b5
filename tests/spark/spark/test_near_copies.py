"""Candidates for near copies by Spark: the same whatever the partitions, and by an index; without what can be no copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from fruit_features.analysis.thumbnail_neighbours import mirror
from fruit_features.spark import blocks
from fruit_features.spark.near_copies import find_candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

N_PHOTOS = 200


def table_of(spark: SparkSession, rows: NDArray[np.uint8]) -> DataFrame:
    thumbnails = [(f'file:/photos/{number:03}, "one".jpg', row.tobytes()) for number, row in enumerate(rows)]
    return spark.createDataFrame([*thumbnails, ("file:/without", None)], "path string, thumbnail binary")


def copied() -> NDArray[np.uint8]:
    """Some thumbnails; after them a darker copy of number 3, a mirrored one of 4, and one of 5 that has been changed much."""
    rows = np.random.default_rng(0).integers(40, 200, (N_PHOTOS, 256)).astype(np.uint8)
    changed = np.clip(rows[5] + np.random.default_rng(1).normal(0, 3, 256), 0, 255).astype(np.uint8)
    return np.vstack([rows, rows[3] - 20, mirror(rows[4:5]), changed])


def found_in(photos: DataFrame, *, is_exact: bool = True) -> pd.DataFrame:
    found = find_candidates(photos, 0.8, is_exact=is_exact).toPandas()
    return found.sort_values(["path", "neighbour"], ignore_index=True)


def test_copies_are_found_from_both_sides(spark: SparkSession) -> None:
    found = found_in(table_of(spark, copied()))
    number, other = (found[name].str.extract(r"/(\d+),")[0].astype(int).tolist() for name in ("path", "neighbour"))
    assert list(zip(number, other, found["is_mirrored"], strict=True)) == [
        (3, N_PHOTOS, False),
        (4, N_PHOTOS + 1, True),
        (N_PHOTOS, 3, False),
        (N_PHOTOS + 1, 4, True),
    ]
    np.testing.assert_allclose(found[["distance", "relative_distance"]].to_numpy(), 0, atol=1e-6)
    assert (found["surroundings"] > 1).all()


def test_partitions_and_blocks_make_no_difference(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = table_of(spark, copied())
    expected = found_in(photos)
    pd.testing.assert_frame_equal(found_in(photos.repartition(5)), expected)
    monkeypatch.setattr(blocks, "_MAX_BLOCK_ROWS", 37)
    pd.testing.assert_frame_equal(found_in(photos.repartition(3)), expected)


def test_an_index_finds_the_same(spark: SparkSession) -> None:
    photos = table_of(spark, copied())
    pd.testing.assert_frame_equal(found_in(photos, is_exact=False), found_in(photos))


@pytest.mark.parametrize("n_photos", [0, 1, 2])
@pytest.mark.parametrize("is_exact", [True, False])
def test_few_photos_have_no_surroundings(spark: SparkSession, n_photos: int, *, is_exact: bool) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (1, 256)).astype(np.uint8).repeat(n_photos, axis=0)
    found = found_in(table_of(spark, rows), is_exact=is_exact)
    assert len(found) == (2 if n_photos == 2 else 0)
    assert np.isinf(found["surroundings"]).all()
