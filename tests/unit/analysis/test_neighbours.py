"""Nearest neighbours by blocks: those of scikit-learn, and the same bits whatever the blocks; paths decide between equals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fruit_features.analysis.neighbours import Grid, NearestRows, nearest_photos
from tests.support.blocks import numbers_as_named, show_all_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fruit_features.analysis.neighbours import Metric


def search(
    rows: NDArray[Any], n_neighbours: int, grid: Grid, block: int = 7, *, backwards: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours of all rows, (n_rows, n_neighbours): numbers, and distances."""
    found = show_all_blocks(
        lambda rows, start: NearestRows(rows, start, n_neighbours), grid.place(rows), block, backwards=backwards
    )
    kept = [nearest.kept for nearest in found]
    return numbers_as_named(kept), grid.distances(np.concatenate([of_block.squares for of_block in kept]))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("n_rows", "n_columns", "block"), [(400, 12, 64), (1500, 62, 1024), (6000, 3, 6000)])
def test_neighbours_are_those_of_scikit_learn(n_rows: int, n_columns: int, block: int, metric: Metric) -> None:
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(n_rows)
    rows = (rng.normal(size=(n_rows, n_columns)) * np.linspace(20, 1, n_columns) + 50).astype(np.float32)
    grid = Grid.between(rows.min(axis=0), rows.max(axis=0), metric)
    numbers, distances = search(rows, 10, grid, block)
    search_all = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute").fit(rows.astype(np.float64))
    expected_distances, expected = search_all.kneighbors()
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-4, atol=1e-6)
    differs = numbers != expected  # only where two neighbours are as far as float32 can tell
    assert differs.mean() < 0.001
    gaps = np.abs(np.diff(expected_distances, axis=1)).min(axis=1)
    assert (gaps[differs.any(axis=1)] < 1e-5).all()


def test_of_those_that_are_equally_far_the_first_comes_first() -> None:
    rows = np.array([[0.0], [1.0], [-1.0], [1.0], [-1.0], [0.0], [5.0]], np.float32)
    numbers, distances = search(rows, 3, Grid.between([-1], [5]), block=2)
    assert numbers[0].tolist() == [5, 1, 2]
    assert numbers[5].tolist() == [0, 1, 2]
    np.testing.assert_allclose(distances[0], [0, 1, 1], atol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_there_are_no_more_neighbours_than_other_rows(n_rows: int) -> None:
    numbers, distances = search(np.arange(n_rows, dtype=np.float32)[:, np.newaxis], 10, Grid.between([0], [n_rows]))
    assert (np.isfinite(distances).sum(axis=1) == n_rows - 1).all()
    assert all(number not in row for number, row in enumerate(numbers.tolist()))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_rows_are_neighbours_at_no_distance(value: float, metric: Metric) -> None:
    rows = np.full((300, 5), value, np.float32)
    numbers, distances = search(rows, 4, Grid.between(rows.min(axis=0), rows.max(axis=0), metric), block=100)
    assert (distances == 0).all()
    assert numbers[0].tolist() == [1, 2, 3, 4]
    assert numbers[150].tolist() == [0, 1, 2, 3]


def test_a_row_without_a_direction_is_at_a_right_angle_to_all_others() -> None:
    rows = np.array([[0, 0], [1, 0], [1, 1], [-1, 0]], np.float32)
    grid = Grid.between(rows.min(axis=0), rows.max(axis=0), "cosine")
    numbers, distances = search(rows, 3, grid)
    np.testing.assert_allclose(distances[0], [1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(distances[1], [1 - np.sqrt(0.5), 1, 2], atol=1e-6)
    assert numbers[1].tolist() == [2, 0, 3]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_the_blocks_and_their_order_make_no_difference(data: st.DataObject) -> None:
    n_rows = data.draw(st.integers(1, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows = rng.integers(0, data.draw(st.sampled_from([2, 5, 10_000])), (n_rows, data.draw(st.integers(1, 6)))).astype(
        np.float32
    )
    grid = Grid.between(rows.min(axis=0), rows.max(axis=0))
    n_neighbours = data.draw(st.integers(1, 12))
    expected = search(rows, n_neighbours, grid, block=n_rows)
    for is_backwards in (False, True):
        found = search(rows, n_neighbours, grid, block=data.draw(st.integers(1, n_rows)), backwards=is_backwards)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(("metric", "nearest"), [("euclidean", "small"), ("cosine", "large")])
def test_the_photos_nearest_to_a_point_depend_on_the_metric(metric: Metric, nearest: str) -> None:
    photos = pd.DataFrame(
        {"path": ["small", "large"], "label": ["a", "b"], "split": ["x", "y"], "pca_1": [1.0, 90.0], "pca_2": [0.0, 100.0]}
    )
    found = nearest_photos([1.0, 1.0], photos, 2, metric)
    assert found["path"].iloc[0] == nearest
    assert found["distance"].is_monotonic_increasing
    assert list(found.columns) == ["path", "label", "distance"]
