"""The thumbnails that are nearest to each thumbnail, and to its mirror image, whatever their brightness and contrast.

Two thumbnails are compared by Pearson's correlation r of their grey levels: 2 (1 - r) is the squared distance that they have
when both are brought to mean 0 and length 1. It is computed from whole numbers, so it is the same on any processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fruit_features.analysis.neighbours import N_COLUMNS, Kept, choose_nearest, find_itself

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SIDE: Final = 16
"""Pixels of a thumbnail's side, as `fruit_features.photos.facts.THUMBNAIL_SIDE` has it."""

_PIXELS: Final = _SIDE**2

_MARGIN: Final = 4e-5
"""How far products in float32 are from exact squared distances of 256 numbers at most: 2 x 256 x 2^-24, and some more."""

_DISTANCES_AT_ONCE: Final = 2**16

_SPARE: Final = 5
"""Candidates beyond those that are kept: the products, and the bytes of an index, are coarser than the exact distances."""

_LEVELS: Final = 32
"""Steps of a byte for a standard deviation: all but what is farther than four of them from the mean is kept."""


def mirror(rows: NDArray[Any]) -> NDArray[Any]:
    """Turn left and right of thumbnails round, (n_rows, 256)."""
    return np.ascontiguousarray(rows.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(len(rows), -1))


def deviations(rows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the standard deviation of the grey levels of each thumbnail, (n_rows,)."""
    _, variances = _sums(rows)
    found: NDArray[np.float64] = np.sqrt(variances.astype(np.float64)) / _PIXELS
    return found


def squared_distances(rows: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute 2 (1 - r) of pairs of thumbnails, (n_pairs, 256) both: 0 to 4. What is of one grey has no r: 2."""
    found = np.empty(len(rows))
    for begin in range(0, len(rows), _DISTANCES_AT_ONCE):
        at = slice(begin, begin + _DISTANCES_AT_ONCE)
        (sums, variances), (other_sums, other_variances) = _sums(rows[at]), _sums(others[at])
        products = np.einsum("ij,ij->i", rows[at], others[at], dtype=np.int64)
        covariances = (_PIXELS * products - sums * other_sums).astype(np.float64)
        lengths = np.sqrt(variances.astype(np.float64)) * np.sqrt(other_variances.astype(np.float64))
        found[at] = 2 - 2 * np.divide(covariances, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.maximum(found, 0, out=found)


def _sums(rows: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sum of each row, and its variance times `_PIXELS` squared: whole numbers."""
    sums = rows.sum(axis=1, dtype=np.int64)
    return sums, _PIXELS * np.einsum("ij,ij->i", rows, rows, dtype=np.int64) - sums * sums


def on_sphere(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bring thumbnails to mean 0 and length 1, (n_rows, 256); those of one grey become zeros."""
    values = rows - rows.mean(axis=1, keepdims=True, dtype=np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return unit


class NearestThumbnails:
    """The thumbnails nearest to each one of a block, and to its mirror image, of all that have been shown so far.

    Products of float32 say which ones may be nearer than those that are kept; these few are compared exactly.

    Args:
        rows: The block, bytes (n_rows, 256).
        start: Number of its first row, of all rows in the order of their paths.
        n_neighbours: How many are kept.

    Attributes:
        kept: The nearest ones as they are, and the nearest ones mirrored. No thumbnail is among its own.

    """

    def __init__(self, rows: NDArray[np.uint8], start: int, n_neighbours: int) -> None:
        self._rows, self._start = rows, start
        self._halves = _fold(on_sphere(rows))
        self.kept = (Kept(len(rows), n_neighbours), Kept(len(rows), n_neighbours))

    def show(self, others: NDArray[np.uint8], start: int, names: NDArray[np.object_]) -> None:
        """Look among other thumbnails, or the same ones, for nearer ones.

        Args:
            others: Bytes, (n_others, 256).
            start: Number of the first of them.
            names: What they are called, (n_others,).

        """
        mirrored = mirror(others)
        even, odd = _fold(on_sphere(others))
        for begin in range(0, len(others), N_COLUMNS):
            at = slice(begin, begin + N_COLUMNS)
            # Mirroring changes the sign of the odd half alone: the same two products say how far both images are.
            of_even, of_odd = self._halves[0] @ even[at].T, self._halves[1] @ odd[at].T
            for kept, correlations, images in (
                (self.kept[0], of_even + of_odd, others),
                (self.kept[1], of_even - of_odd, mirrored),
            ):
                self._look_at(kept, correlations, images[at], start + begin, names[at])

    def _look_at(
        self,
        kept: Kept,
        correlations: NDArray[np.float32],
        images: NDArray[np.uint8],
        start: int,
        names: NDArray[np.object_],
    ) -> None:
        correlations[find_itself(self._start, start, correlations.shape)] = -np.inf
        least = (1 - (kept.farthest + _MARGIN) / 2).astype(np.float32)
        is_near = correlations >= least
        n_neighbours = kept.squares.shape[1]
        if np.count_nonzero(is_near) > n_neighbours * len(correlations):
            is_near &= choose_nearest(-correlations, n_neighbours + _SPARE)
        is_near &= correlations > -np.inf
        flat = np.flatnonzero(is_near)
        if len(flat):
            rows, places = np.divmod(flat, correlations.shape[1])
            squares = squared_distances(self._rows[rows], images[places])
            kept.merge(rows, squares, start + places, names[places])


def _fold(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split thumbnails into what mirroring keeps and what it changes the sign of, (n_rows, 128) each, of the same length."""
    images = rows.reshape(-1, _SIDE, _SIDE)
    left, right = images[:, :, : _SIDE // 2], images[:, :, : _SIDE // 2 - 1 : -1]
    scale = np.float32(np.sqrt(0.5))
    return ((left + right) * scale).reshape(len(rows), -1), ((left - right) * scale).reshape(len(rows), -1)


def search_thumbnails_by_index(
    rows: NDArray[np.uint8], n_neighbours: int, *, n_threads: int, seed: int = 0
) -> Iterator[tuple[int, bool, NDArray[np.int64], NDArray[np.float64]]]:
    """Find nearly all of what `NearestThumbnails` finds, of very many thumbnails.

    Args:
        rows: Bytes, (n_rows, 256).
        n_neighbours: How many of each.
        n_threads: How many cores are used.
        seed: Of the rows that the index learns from.

    Yields:
        The number of the first row of a batch; whether its mirror images were looked for; the neighbours' numbers, -1 where
        there are none, and their squared distances, (n_batch, n_neighbours).

    """
    from fruit_features.analysis.neighbour_index import BATCH, InvertedFile

    if not len(rows):
        return
    codes = np.concatenate([_encode(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)])
    index = InvertedFile(codes, n_threads, seed)
    for start in range(0, len(rows), BATCH):
        at = slice(start, start + BATCH)
        for is_mirrored in (False, True):
            images, queries = (mirror(part) if is_mirrored else part for part in (rows[at], codes[at]))

            def distances(queried: NDArray[np.bool_], numbers: NDArray[np.int64], images: Any = images) -> Any:
                return squared_distances(images[queried], rows[numbers])

            yield start, is_mirrored, *index.search(queries, start, n_neighbours + _SPARE, distances, n_neighbours)


def _encode(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring thumbnails to mean 128 and a standard deviation of `_LEVELS`, as bytes."""
    return np.clip(np.rint(128 + _LEVELS * _SIDE * on_sphere(rows)), 0, 255).astype(np.uint8)
