"""Decides which photos are copies of one another, by their thumbnails: 16 x 16 grey levels, a byte each.

A JPEG of another quality or size moves the grey levels of a thumbnail by about one, when brightness and contrast have been
evened out. So may the next frame of a film. What tells them apart is their surroundings: a frame has neighbours on both sides
that are about as near, and a copy has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_NEIGHBOURS: Final = 3
"""The nearest thumbnails that are looked at. The last of them tells how far apart photos are here that are no copies."""

MAX_RATIO: Final = 0.5
"""Copies are nearer to each other than this share of the distance to the third nearest thumbnail of either."""

SURE_DISTANCE: Final = 0.5
"""Grey levels: thumbnails that are as near as this are those of copies, whatever is around. Rounding alone makes 0.4."""

MAX_RELATIVE_DISTANCE: Final = 0.05
"""Of the contrast of the two photos: the thumbnails of dark or empty photos are all alike, and tell nothing."""


@dataclass(frozen=True)
class CandidatePairs:
    """Pairs of photos with similar thumbnails, all as they are, or all of a photo and a mirrored one.

    Attributes:
        distance: Root mean square of the difference of their thumbnails when both have the same mean and, as standard
            deviation, the geometric mean of theirs, in grey levels, 0 to 255, (n_pairs,).
        relative_distance: The same, when the standard deviation is 1, (n_pairs,).
        surroundings: The relative distance from either photo to the third nearest thumbnail, infinite if there is none,
            (n_pairs, 2).

    """

    distance: NDArray[np.floating]
    relative_distance: NDArray[np.floating]
    surroundings: NDArray[np.floating]

    def are_copies(self, max_distance: float, max_ratio: float = MAX_RATIO) -> NDArray[np.bool_]:
        """Decide which pairs are copies, (n_pairs,).

        Args:
            max_distance: Grey levels that the thumbnails of copies differ by at most.
            max_ratio: As `MAX_RATIO`, which is its default.

        """
        is_near = self.distance <= max_distance
        is_alone = self.relative_distance <= max_ratio * self.surroundings.min(axis=1)
        is_sure = self.distance <= SURE_DISTANCE
        tells = self.relative_distance <= MAX_RELATIVE_DISTANCE
        copies: NDArray[np.bool_] = is_near & (is_alone | is_sure) & tells
        return copies


def group_copies(n_photos: int, pairs: Sequence[tuple[int, int]] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Group photos that are copies of one another, directly or by way of others.

    Args:
        n_photos: Number of photos.
        pairs: Numbers of two photos each, (n_pairs, 2).

    Returns:
        The lowest number in the group of each photo, its own if it is alone, (n_photos,).

    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.asarray(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n_photos, n_photos))
    _, group = connected_components(graph, directed=False)
    lowest = np.full(n_photos, n_photos, np.int64)
    np.minimum.at(lowest, group, np.arange(n_photos))
    numbers: NDArray[np.int64] = lowest[group]
    return numbers
