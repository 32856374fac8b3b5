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
    from collections.abc import Iterator

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

_BATCH: Final = 8192


def search_by_index(
    rows: NDArray[Any], n_neighbours: int, grid: Grid, *, n_threads: int, seed: int = 0
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Find the nearest rows to each row, nearly all of them.

    Distances are as exact as those of `neighbours.NearestRows`; of rows that are equally far, the one with the lower number
    comes first. The same rows give the same result on the same machine.

    Args:
        rows: (n_rows, n_columns), float32, or uint8.
        n_neighbours: How many of each.
        grid: On which distances are computed.
        n_threads: How many cores are used.
        seed: Of the rows that the centroids are learnt from.

    Yields:
        The number of the first row of a batch; the neighbours' numbers, -1 where there are none, and their distances,
        (n_batch, n_neighbours).

    """
    import faiss

    faiss.omp_set_num_threads(n_threads)
    n_rows = len(rows)
    index = _build_index(rows, grid, seed)
    for start in range(0, n_rows, _BATCH):
        batch = rows[start : start + _BATCH]
        placed = grid.place(batch)
        numbers = _search(index, _as_faiss(batch, grid), n_neighbours + 1)
        itself = numbers == np.arange(start, start + len(placed))[:, np.newaxis]
        squares = np.full(numbers.shape, np.inf)
        there = (numbers >= 0) & ~itself
        for column in range(numbers.shape[1]):
            has = there[:, column]
            differences = placed[has].astype(np.float64) - grid.place(rows[numbers[has, column]])
            squares[has, column] = (differences * differences).sum(axis=1)
        order = np.lexsort((numbers, squares), axis=1)[:, :n_neighbours]
        squares = np.take_along_axis(squares, order, axis=1)
        numbers = np.where(np.isfinite(squares), np.take_along_axis(numbers, order, axis=1), -1)
        yield start, numbers, grid.distances(squares)


def _build_index(rows: NDArray[Any], grid: Grid, seed: int) -> Any:
    """Learn the centroids from some of the rows, and group all of them."""
    import faiss

    n_rows = len(rows)
    n_groups = max(1, min(int(_GROUPS_PER_ROOT * np.sqrt(n_rows)), n_rows // _ROWS_PER_CENTROID))
    sample = np.sort(np.random.default_rng(seed).permutation(n_rows)[: n_groups * _ROWS_PER_CENTROID])
    learnt_from = _as_faiss(rows[sample], grid)
    n_columns = learnt_from.shape[1]
    quantizer = faiss.IndexFlatL2(n_columns)
    index: Any
    if rows.dtype == np.uint8:  # bytes are kept as bytes
        index = faiss.IndexIVFScalarQuantizer(
            quantizer, n_columns, n_groups, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2, False
        )
    else:
        index = faiss.IndexIVFFlat(quantizer, n_columns, n_groups)
    index.cp.niter = _ITERATIONS
    index.cp.seed = seed
    index.cp.max_points_per_centroid = _ROWS_PER_CENTROID
    index.train(learnt_from)
    for start in range(0, n_rows, _BATCH):
        index.add(_as_faiss(rows[start : start + _BATCH], grid))
    index.nprobe = min(_N_PROBES, n_groups)
    return index


def _search(index: Any, queries: NDArray[np.float32], n_wanted: int) -> NDArray[np.int64]:
    """Ask the index; where the groups hold too few rows, ask all groups."""
    numbers: NDArray[np.int64] = index.search(queries, n_wanted)[1]
    too_few = np.flatnonzero((numbers < 0).any(axis=1))
    if len(too_few) and index.nprobe < index.nlist:
        import faiss

        everywhere = faiss.SearchParametersIVF()
        everywhere.nprobe = index.nlist
        numbers[too_few] = index.search(queries[too_few], n_wanted, params=everywhere)[1]
    return numbers


def _as_faiss(rows: NDArray[Any], grid: Grid) -> NDArray[np.float32]:
    """Give rows as faiss takes them: bytes by their values, and others on the grid, where cosine has become Euclid."""
    return np.ascontiguousarray(rows if rows.dtype == np.uint8 else grid.place(rows), np.float32)
