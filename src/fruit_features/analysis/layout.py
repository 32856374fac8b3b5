"""Lays photos out on a plane so that neighbours lie together: t-SNE, which starts from the two leading directions.

The steps are those of van der Maaten, "Accelerating t-SNE using tree-based algorithms" (2014), as scikit-learn does them. The
start keeps the large shape of the set, which a start by chance loses (Kobak and Linderman, "Initialization is critical for
preserving global data structure in both t-SNE and UMAP", 2021).

This module knows numpy and scikit-learn only. The latter is imported when photos are laid out, as that takes a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERPLEXITY: Final = 30.0
"""About how many neighbours each photo pulls at; of few photos, a third of their number."""

MIN_PHOTOS: Final = 10
"""With fewer different photos, there are no neighbourhoods to speak of, and the two leading directions are shown."""

N_ITERATIONS: Final = 500
"""Steps of the gradient descent, of which the first 250 exaggerate attraction."""

_START_DEVIATION = 1e-4
"""Standard deviation of the start along its first direction, as in scikit-learn."""

_NOISE = 1e-6
"""Standard deviation of what is added to the start: photos on a line could never leave it."""

_COPY_DISTANCE = 0.004
"""Of the width of the map: how far the first copy of a photo lies from it."""

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def lay_out(points: NDArray[np.floating[Any]], seed: int) -> NDArray[np.float64]:
    """Place photos on the unit square, so that those which are near one another in space are so on it.

    One thread computes all of it: sums by several threads depend on their number, and t-SNE makes another picture of
    differences in the last digit. The order of the photos makes no difference.

    Args:
        points: Coordinates of the photos, (n_photos, n_columns); finite numbers, of any number of columns.
        seed: Seed of the noise at the start.

    Returns:
        (n_photos, 2), from 0 to 1. Photos of equal coordinates lie side by side, so that each can be pointed at.

    """
    if not len(points):
        return np.zeros((0, 2))
    from threadpoolctl import threadpool_limits

    rows = points.astype(np.float64) if points.shape[1] else np.zeros((len(points), 1))
    distinct, place_of = np.unique(rows, axis=0, return_inverse=True)
    with threadpool_limits(1):
        start = _leading_directions(distinct)
        placed = start if len(distinct) < MIN_PHOTOS else _refine(distinct, start, seed)
    return _spread_copies(_fit_to_square(placed), place_of.ravel())


def _leading_directions(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project rows on the two directions along which they vary most, (n_rows, 2); zeros for a direction that there is not."""
    centred = rows - rows.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    leading = directions[:, ::-1][:, :2]
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])
    projected: NDArray[np.float64] = centred @ (leading * signs)
    return np.pad(projected, ((0, 0), (0, 2 - projected.shape[1])))


def _refine(rows: NDArray[np.float64], start: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Move rows from their start to where t-SNE wants them, (n_rows, 2)."""
    from sklearn.manifold import TSNE

    scale = float(start[:, 0].std()) or 1.0
    noise = np.random.default_rng(seed).normal(0, _NOISE, start.shape)
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(rows) - 1) / 3),
        init=(start / scale * _START_DEVIATION + noise).astype(np.float32),
        max_iter=N_ITERATIONS,
        random_state=seed,
        n_jobs=1,
    )
    # Its distances are float32: rows are centred and scaled first, so that none of their digits is wasted.
    return np.asarray(tsne.fit_transform(((rows - rows.mean(axis=0)) / scale).astype(np.float32)), np.float64)


def _fit_to_square(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale places to the unit square, about its centre, both axes by the same factor."""
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max()) or 1.0
    fitted: NDArray[np.float64] = 0.5 + (places - (low + high) / 2) / extent
    return fitted


def _spread_copies(places: NDArray[np.float64], place_of: NDArray[np.intp]) -> NDArray[np.float64]:
    """Put photos that have one place around it, on a spiral that keeps their distances.

    Args:
        places: (n_places, 2).
        place_of: Number of each photo's place, (n_photos,).

    """
    order = np.argsort(place_of, kind="stable")
    ordered = place_of[order]
    number = np.empty(len(order))
    number[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    radius, angle = _COPY_DISTANCE * np.sqrt(number), _GOLDEN_ANGLE * number
    spread: NDArray[np.float64] = places[place_of] + radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return spread.clip(0, 1)
