"""The nearest neighbours of every photo: exactly, or, of very many photos, by an index that finds nearly all of them.

For the exact ones, Spark's workers multiply blocks of rows with one another. An index takes far less work; one worker holds
it, with all rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fruit_features.analysis.neighbour_index import search_by_index
from fruit_features.analysis.neighbours import Grid, NearestRows
from fruit_features.spark.blocks import Layout, all_rows_of, cores_of_a_worker, in_one_partition, rows_of, search_in_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from fruit_features.analysis.neighbours import Metric

NEIGHBOURS_SCHEMA = "path string, rank int, neighbour string, distance float"

_NUMBERS = pa.list_(pa.float32())


def find_neighbours(photos: DataFrame, n_neighbours: int, metric: Metric = "euclidean", *, is_exact: bool = True) -> DataFrame:
    """Find the nearest neighbours of every photo.

    The exact result is the same whatever the partitions and the number of cores. Of photos that are equally far, the one whose
    path comes first is the nearer one.

    Args:
        photos: path, and vector: array<float> of finite numbers, all of the same length.
        n_neighbours: How many of each.
        metric: How distance is measured.
        is_exact: Compare all photos with one another; else with those that an index holds to be near.

    Returns:
        path, rank (int, from 1), neighbour (path), distance (float): n_neighbours rows of each photo, or as many as there are
        other photos. Distances are exact to some 1e-6 of the widest column's range.

    """
    session = photos.sparkSession
    ranges = photos.select("vector").mapInArrow(_find_ranges, "low array<float>, high array<float>").toArrow().to_pylist()
    if not ranges:
        return session.createDataFrame([], NEIGHBOURS_SCHEMA)
    low = np.min([part["low"] for part in ranges], axis=0)
    high = np.max([part["high"] for part in ranges], axis=0)
    grid = Grid.between(low, high, metric)
    if not is_exact:
        search_all = partial(_search_index, n_neighbours=n_neighbours, grid=grid, n_threads=cores_of_a_worker(session))
        return in_one_partition(photos).mapInArrow(search_all, NEIGHBOURS_SCHEMA)
    begin = partial(_RowSearch, n_neighbours=n_neighbours, grid=grid)
    return search_in_blocks(photos, Layout("float32", len(low)), begin, NEIGHBOURS_SCHEMA)


def _find_ranges(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find the least and the greatest number of every column of a partition; an empty one has none."""
    lows, highs = [], []
    for batch in batches:
        if len(batch):
            rows = rows_of(batch)
            lows.append(rows.min(axis=0))
            highs.append(rows.max(axis=0))
    if lows:
        corners = {"low": [np.min(lows, axis=0)], "high": [np.max(highs, axis=0)]}
        yield pa.RecordBatch.from_pydict({name: pa.array(corner, _NUMBERS) for name, corner in corners.items()})


class _RowSearch:
    """The search for the neighbours of a block's rows."""

    def __init__(self, rows: NDArray[Any], start: int, paths: NDArray[np.object_], n_neighbours: int, grid: Grid) -> None:
        self._paths, self._grid = paths, grid
        self._nearest = NearestRows(grid.place(rows), start, n_neighbours)

    def show(self, rows: NDArray[Any], start: int, paths: NDArray[np.object_]) -> None:
        """Look among the rows of a block."""
        self._nearest.show(self._grid.place(rows), start, paths)

    def describe(self) -> pa.RecordBatch:
        """Lay the neighbours out as rows of `NEIGHBOURS_SCHEMA`."""
        kept = self._nearest.kept
        rows, places = np.nonzero(np.isfinite(kept.squares))
        neighbours = pa.array(kept.names[rows, places], pa.string())
        distances = self._grid.distances(kept.squares[rows, places])
        return _as_rows(pa.array(self._paths[rows], pa.string()), places, neighbours, distances)


def _search_index(
    batches: Iterable[pa.RecordBatch], n_neighbours: int, grid: Grid, n_threads: int
) -> Iterator[pa.RecordBatch]:
    """Take all photos, in the order of their paths, and look for the neighbours of each: for `DataFrame.mapInArrow`."""
    rows, names = all_rows_of(batches)
    for start, numbers, distances in search_by_index(rows, n_neighbours, grid, n_threads=n_threads):
        photos, places = np.nonzero(numbers >= 0)
        neighbours = names.take(pa.array(numbers[photos, places]))
        yield _as_rows(names.take(pa.array(start + photos)), places, neighbours, distances[photos, places])


def _as_rows(
    paths: pa.Array, places: NDArray[np.intp], neighbours: pa.Array, distances: NDArray[np.float32]
) -> pa.RecordBatch:
    """Make rows of `NEIGHBOURS_SCHEMA`, of photos and the places (from 0) that their neighbours have."""
    ranks = pa.array((places + 1).astype(np.int32))
    return pa.RecordBatch.from_pydict({"path": paths, "rank": ranks, "neighbour": neighbours, "distance": pa.array(distances)})
