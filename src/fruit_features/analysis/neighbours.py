"""Nearest neighbours: of one point, and of every photo, by products of blocks of rows.

Distances between all photos are computed on integers: coordinates are rounded to a grid that is as fine as floats allow while
every sum of products stays exact. So a distance is the same whatever the blocks, the order of their rows and the processor,
and photos that are equally far are told apart by their paths, not by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

Metric = Literal["euclidean", "cosine"]
"""Cosine distance is 1 - cos: 0 for the same direction, 1 for a right angle, 2 for opposite directions."""

METRICS: Final[tuple[str, ...]] = get_args(Metric)

_EXACT_BITS: Final = 53
"""Integers of up to this many bits are exact in float64, and so are their sums and products."""

N_COLUMNS: Final = 256
"""Columns of the products that are looked at together: so few stay in a processor's cache."""

_FAR = np.iinfo(np.int64).max


def nearest_photos(point: ArrayLike, photos: pd.DataFrame, top: int, metric: Metric = "euclidean") -> pd.DataFrame:
    """Find the photos nearest to a point of their space; a photo that lies there is itself among them.

    Args:
        point: Coordinates, (k,).
        photos: path, label, split if there is one, and k columns of coordinates.
        top: How many.
        metric: How distance is measured.

    Returns:
        path, label, distance; nearest first.

    """
    coordinates, centre = coordinates_of(photos).to_numpy(np.float64), np.asarray(point, np.float64)
    if metric == "cosine":
        products = _on_sphere(coordinates) @ _on_sphere(centre[np.newaxis])[0]
        distances = 1 - np.clip(products, -1, 1)
    else:
        distances = np.linalg.norm(coordinates - centre, axis=1)
    nearest = np.argsort(distances, kind="stable")[:top]
    return photos.iloc[nearest][["path", "label"]].assign(distance=distances[nearest]).reset_index(drop=True)


def coordinates_of(photos: pd.DataFrame) -> pd.DataFrame:
    """Leave out the columns by which people know photos."""
    return photos.drop(columns=["path", "label", "split"], errors="ignore")


@dataclass(frozen=True)
class Grid:
    """Places rows on a grid of integers, on which squared distances are exact.

    Attributes:
        metric: How distance is measured.
        centre: float64 (n_columns,), which is subtracted first.
        step: What 1 on the grid is worth.

    """

    metric: Metric
    centre: NDArray[np.float64]
    step: float

    @classmethod
    def between(cls, low: ArrayLike, high: ArrayLike, metric: Metric = "euclidean") -> Grid:
        """Make the finest grid for rows between two corners.

        Args:
            low: The least number of every column, (n_columns,).
            high: The greatest.
            metric: How distance is measured. Rows are scaled to length 1 for cosine, so their range does not matter.

        """
        low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        if metric == "cosine":
            n_columns, centre, reach = len(low) + 1, np.zeros(len(low) + 1), 1.0
        else:
            n_columns, centre, reach = len(low), (low + high) / 2, float(((high - low) / 2).max(initial=0.0))
        # The largest sum is |q|^2 + |r|^2 + 2 |q r|: four times n_columns squares.
        n_bits = (_EXACT_BITS - 2 - int(np.ceil(np.log2(max(n_columns, 1))))) // 2
        # A power of two, with the centre a multiple of it: what is equally far as floats is so on the grid.
        step = 2.0 ** np.ceil(np.log2((reach or 1.0) / (2**n_bits - 1)))
        return cls(metric, np.rint(centre / step) * step, float(step))

    def place(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Round rows, (n_rows, n_columns), to whole numbers, as floats."""
        values = rows.astype(np.float64)
        if self.metric == "cosine":
            values = _on_sphere(values)
        placed: NDArray[np.float64] = np.rint((values - self.centre) / self.step)
        return placed

    def distances(self, squares: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn squared distances on the grid into distances of the metric."""
        squared = squares * self.step**2
        return (squared / 2 if self.metric == "cosine" else np.sqrt(squared)).astype(np.float32)


class Kept:
    """The nearest rows that have been found so far, of each row of a block.

    Args:
        n_rows: Rows of the block.
        n_neighbours: How many are kept of each.

    Attributes:
        squares: Their squared distances, float64 (n_rows, n_neighbours), nearest first; infinite where there is none.
        numbers: Their numbers; of those that are equally far, the lower one comes first.
        names: What they were called when they were shown.

    """

    def __init__(self, n_rows: int, n_neighbours: int) -> None:
        self.squares = np.full((n_rows, n_neighbours), np.inf)
        self.numbers = np.full((n_rows, n_neighbours), _FAR, np.int64)
        self.names = np.full((n_rows, n_neighbours), None, object)

    @property
    def farthest(self) -> NDArray[np.float64]:
        """Squared distance of the last one that is kept, (n_rows, 1)."""
        return self.squares[:, -1:]

    def merge(
        self,
        rows: NDArray[np.intp],
        squares: NDArray[np.float64],
        numbers: NDArray[np.int64],
        names: NDArray[np.object_],
    ) -> None:
        """Keep the nearest of those that are kept and of these.

        Args:
            rows: Whose neighbours these may be, (n_found,).
            squares: Their squared distances.
            numbers: Their numbers.
            names: What they are called.

        """
        changed = np.unique(rows)
        n_neighbours = self.squares.shape[1]
        all_rows = np.concatenate([np.repeat(changed, n_neighbours), rows])
        all_squares = np.concatenate([self.squares[changed].ravel(), squares])
        all_numbers = np.concatenate([self.numbers[changed].ravel(), numbers])
        all_names = np.concatenate([self.names[changed].ravel(), names])
        order = np.lexsort((all_numbers, all_squares, all_rows))
        sorted_rows = all_rows[order]
        place = np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows)
        kept = order[place < n_neighbours]
        for table, values in ((self.squares, all_squares), (self.numbers, all_numbers), (self.names, all_names)):
            table[changed] = values[kept].reshape(len(changed), n_neighbours)


class NearestRows:
    """The nearest rows to each row of a block, of all rows that have been shown so far.

    Args:
        rows: The block, on a grid, (n_rows, n_columns).
        start: Number of its first row, of all rows in the order of their paths.
        n_neighbours: How many are kept.

    Attributes:
        kept: The nearest ones, and their squared distances on the grid.

    """

    def __init__(self, rows: NDArray[np.float64], start: int, n_neighbours: int) -> None:
        n_rows = len(rows)
        self._start = start
        # Squared distances become one product of matrices: (-2 q, |q|^2, 1) . (r, 1, |r|^2).
        squared = (rows * rows).sum(axis=1, keepdims=True)
        self._rows = np.hstack([-2 * rows, squared, np.ones_like(squared)])
        self._products = np.empty(n_rows * N_COLUMNS)
        self.kept = Kept(n_rows, n_neighbours)

    def show(self, others: NDArray[np.float64], start: int, names: NDArray[np.object_]) -> None:
        """Look among other rows, or the same ones, for nearer neighbours; no row is its own neighbour.

        Args:
            others: On the same grid, (n_others, n_columns).
            start: Number of the first of them.
            names: What they are called, (n_others,).

        """
        squared = (others * others).sum(axis=1, keepdims=True)
        columns = np.hstack([others, np.ones_like(squared), squared])
        for begin in range(0, len(others), N_COLUMNS):
            end = begin + N_COLUMNS
            self._look_at(columns[begin:end], start + begin, names[begin:end])

    def _look_at(self, columns: NDArray[np.float64], start: int, names: NDArray[np.object_]) -> None:
        squares = self._products[: len(self._rows) * len(columns)].reshape(-1, len(columns))
        np.matmul(self._rows, columns.T, out=squares)
        here, itself = find_itself(self._start, start, squares.shape)
        squares[here, itself] = np.inf
        is_near = squares <= self.kept.farthest
        n_neighbours = self.kept.squares.shape[1]
        if np.count_nonzero(is_near) > n_neighbours * len(squares):
            is_near = choose_nearest(squares, n_neighbours)
        is_near[here, itself] = False
        flat = np.flatnonzero(is_near)
        if len(flat):
            rows, places = np.divmod(flat, len(columns))
            self.kept.merge(rows, squares.ravel()[flat], start + places, names[places])


def find_itself(first: int, other: int, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find where the rows of a block meet themselves among others.

    Args:
        first: Number of the block's first row.
        other: Number of the first of the others.
        shape: (n_rows, n_others).

    Returns:
        Places in the block, and among the others.

    """
    itself = np.arange(first, first + shape[0]) - other
    (here,) = np.nonzero((itself >= 0) & (itself < shape[1]))
    return here, itself[here]


def choose_nearest(squares: NDArray[Any], n_wanted: int) -> NDArray[np.bool_]:
    """Mark in each row the least numbers; of equal ones, the first."""
    if squares.shape[1] <= n_wanted:
        return np.ones(squares.shape, bool)
    limit = np.partition(squares, n_wanted - 1, axis=1)[:, n_wanted - 1 : n_wanted]
    is_less, is_equal = squares < limit, squares == limit
    n_missing = n_wanted - np.count_nonzero(is_less, axis=1, keepdims=True)
    chosen: NDArray[np.bool_] = is_less | (is_equal & (np.cumsum(is_equal, axis=1) <= n_missing))
    return chosen


def _on_sphere(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to length 1. One more column is 1 for rows of zeros, which have no direction: they are 1 from all others."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    is_zero = lengths == 0
    return np.hstack([rows / np.where(is_zero, 1.0, lengths), is_zero.astype(np.float64)])
