"""Neighbours by an index: nearly all of them, with the distances that an exact search gives, and the same at every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.analysis import neighbour_index
from fruit_features.analysis.neighbour_index import search_by_index
from fruit_features.analysis.neighbours import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fruit_features.analysis.neighbours import Metric


def search(
    rows: NDArray[Any], n_neighbours: int, metric: Metric = "euclidean"
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    grid = Grid.between(rows.min(axis=0), rows.max(axis=0), metric)
    starts, numbers, distances = zip(*search_by_index(rows, n_neighbours, grid, n_threads=2), strict=True)
    assert list(starts) == list(range(0, len(rows), len(numbers[0])))
    return np.concatenate(numbers), np.concatenate(distances)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearly_all_neighbours_are_found(metric: Metric) -> None:
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(400, 16)) * np.linspace(8, 1, 16)
    rows = (centres[rng.integers(0, 400, 20_000)] + rng.normal(size=(20_000, 16))).astype(np.float32)
    numbers, distances = search(rows, 10, metric)
    exact = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute").fit(rows.astype(np.float64))
    expected_distances, expected = exact.kneighbors()
    found = [len(set(here) & set(there)) for here, there in zip(numbers, expected, strict=True)]
    assert np.mean(found) >= 9.8
    assert (np.diff(distances, axis=1) >= 0).all()
    same = numbers == expected
    np.testing.assert_allclose(distances[same], expected_distances[same], rtol=1e-4, atol=1e-6)
    again, _ = search(rows, 10, metric)
    np.testing.assert_array_equal(again, numbers)


def test_no_row_is_its_own_neighbour_even_among_equals() -> None:
    rows = np.zeros((500, 4), np.float32)
    rows[:3] = 1
    numbers, distances = search(rows, 5)
    assert not (numbers == np.arange(500)[:, np.newaxis]).any()
    assert numbers[0].tolist()[:2] == [1, 2]
    assert distances[0].tolist()[:2] == [0, 0]
    assert (distances[3:] == 0).all()


def test_rows_in_small_groups_have_as_many_neighbours_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbour_index, "_N_PROBES", 1)
    rows = np.random.default_rng(2).normal(size=(1000, 4)).astype(np.float32)
    rows[:3] += 1000
    numbers, distances = search(rows, 10)
    assert (numbers >= 0).all()
    assert np.isfinite(distances).all()
    assert set(numbers[0, :2]) == {1, 2}
