"""Nearest neighbours of very many rows, found among those that lie in the same regions of their space.

An inverted file: rows are grouped by the nearest of some thousand centroids, and a row is compared with the rows of the groups
whose centroids are nearest to it. Jegou et al., "Product Quantization for Nearest Neighbor Search", section IV (without the
quantisation: rows are compared as they are), as faiss has it. An index lives as long as its search and is never read from a
file: what has been wrong with faiss is how it reads files that somebody else may have written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from fruit_features.analysis.neighbours import Grid

_GROUPS_PER_ROOT: Final = 4
"""Groups for each square root of the number of rows: what faiss's guidelines give for up to a million rows."""

_N_PROBES: Final = 24
"""Groups that a row is looked for in. `benchmarks/neighbours.py` measures which share of the neighbours is found by that."""

_ROWS_PER_CENTROID: Final = 64
"""Rows that the centroids are learnt from, for each of them."""

_ITERATIONS: Final = 10
"""Of k-means; centroids need not be good, only spread as the rows are."""

BATCH: Final = 8192
"""Rows whose neighbours are looked for at a time."""


def search_by_index(
    rows: NDArray[np.float32], n_neighbours: int, grid: Grid, *, n_threads: int, seed: int = 0
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Find the nearest rows to each row, nearly all of them.

    Distances are as exact as those of `neighbours.NearestRows`; of rows that are equally far, the one with the lower number
    comes first. The same rows give the same result on the same machine.

    Args:
        rows: (n_rows, n_columns).
        n_neighbours: How many of each.
        grid: On which distances are computed.
        n_threads: How many cores are used.
        seed: Of the rows that the centroids are learnt from.

    Yields:
        The number of the first row of a batch; the neighbours' numbers, -1 where there are none, and their distances,
        (n_batch, n_neighbours).

    """
    index = InvertedFile(rows, n_threads, seed, grid)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        placed = grid.place(batch)

        def distances(queried: NDArray[np.bool_], numbers: NDArray[np.int64], placed: NDArray[Any] = placed) -> Any:
            differences = placed[queried] - grid.place(rows[numbers])
            return (differences * differences).sum(axis=1)

        numbers, squares = index.search(batch, start, n_neighbours, distances)
        yield start, numbers, grid.distances(squares)


class InvertedFile:
    """Rows, grouped by the nearest of their centroids.

    Args:
        rows: (n_rows, n_columns), float32, or uint8, which are kept as bytes.
        n_threads: How many cores are used.
        seed: Of the rows that the centroids are learnt from.
        grid: Onto which rows are placed, so that cosine becomes Euclid; bytes are taken by their values.

    """

    def __init__(self, rows: NDArray[Any], n_threads: int, seed: int, grid: Grid | None = None) -> None:
        import faiss

        faiss.omp_set_num_threads(n_threads)
        self._grid = grid
        n_rows = len(rows)
        n_groups = max(1, min(int(_GROUPS_PER_ROOT * np.sqrt(n_rows)), n_rows // _ROWS_PER_CENTROID))
        sample = np.sort(np.random.default_rng(seed).permutation(n_rows)[: n_groups * _ROWS_PER_CENTROID])
        learnt_from = self._place(rows[sample])
        n_columns = learnt_from.shape[1]
        quantizer = faiss.IndexFlatL2(n_columns)
        self._index: Any
        if rows.dtype == np.uint8:
            self._index = faiss.IndexIVFScalarQuantizer(
                quantizer, n_columns, n_groups, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2, False
            )
        else:
            self._index = faiss.IndexIVFFlat(quantizer, n_columns, n_groups)
        self._index.cp.niter = _ITERATIONS
        self._index.cp.seed = seed
        self._index.cp.max_points_per_centroid = _ROWS_PER_CENTROID
        self._index.train(learnt_from)
        for start in range(0, n_rows, BATCH):
            self._index.add(self._place(rows[start : start + BATCH]))
        self._index.nprobe = min(_N_PROBES, n_groups)

    def search(
        self,
        queries: NDArray[Any],
        start: int,
        n_neighbours: int,
        distances: Callable[[NDArray[np.bool_], NDArray[np.int64]], NDArray[np.float64]],
        n_kept: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Look for the rows near to some rows, and measure how far they are.

        Args:
            queries: Rows, or what they are changed into, (n_queries, n_columns).
            start: Number of the first of them: no row is its own neighbour.
            n_neighbours: How many of each are looked for.
            distances: Gives the squared distances of the queries that are marked from the rows with these numbers.
            n_kept: How many of these are kept, the nearest; all, if not given.

        Returns:
            The neighbours' numbers, -1 where there are none, and their squared distances, (n_queries, n_kept), nearest first;
            of those that are equally far, the one with the lower number comes first.

        """
        numbers = self._ask(self._place(queries), n_neighbours + 1)
        itself = numbers == np.arange(start, start + len(queries))[:, np.newaxis]
        squares = np.full(numbers.shape, np.inf)
        there = (numbers >= 0) & ~itself
        for column in range(numbers.shape[1]):
            has = there[:, column]
            squares[has, column] = distances(has, numbers[has, column])
        order = np.lexsort((numbers, squares), axis=1)[:, : n_kept or n_neighbours]
        squares = np.take_along_axis(squares, order, axis=1)
        return np.where(np.isfinite(squares), np.take_along_axis(numbers, order, axis=1), -1), squares

    def _ask(self, queries: NDArray[np.float32], n_wanted: int) -> NDArray[np.int64]:
        """Ask the index; where the groups hold too few rows, ask all groups."""
        numbers: NDArray[np.int64] = self._index.search(queries, n_wanted)[1]
        too_few = np.flatnonzero((numbers < 0).any(axis=1))
        if len(too_few) and self._index.nprobe < self._index.nlist:
            import faiss

            everywhere = faiss.SearchParametersIVF()
            everywhere.nprobe = self._index.nlist
            numbers[too_few] = self._index.search(queries[too_few], n_wanted, params=everywhere)[1]
        return numbers

    def _place(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        return np.ascontiguousarray(rows if self._grid is None else self._grid.place(rows), np.float32)
