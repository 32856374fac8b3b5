"""Deals photos out to the folds of a cross-validation, in which copies of a photo never stand on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def learnable(labels: Sequence[str | None], groups: NDArray[np.integer], min_groups: int) -> NDArray[np.int64]:
    """Choose the photos whose label has enough groups of copies to be learned from some and looked for among others.

    Args:
        labels: Label of every photo; those without one (None) are not chosen.
        groups: Group of every photo, (n_photos,): copies are in one. A group whose photos have several labels counts once, for
            the label of its first photo that is chosen: that is the label by which `assign_folds` deals it out.
        min_groups: How many groups a label has at least.

    Returns:
        Positions of the photos, in their order; none if that leaves fewer than two labels.

    """
    chosen = np.flatnonzero([label is not None for label in labels]).astype(np.int64)
    while len(chosen):
        names, codes = np.unique(np.array([str(labels[photo]) for photo in chosen.tolist()]), return_inverse=True)
        _, first = np.unique(groups[chosen], return_index=True)
        has_enough = np.bincount(codes[first], minlength=len(names)) >= min_groups
        if has_enough.all():
            return chosen if len(names) > 1 else chosen[:0]
        # A group may count for another label, now that its first photo is not chosen: all are counted again.
        chosen = chosen[has_enough[codes]]
    return chosen


def assign_folds(codes: NDArray[np.integer], groups: NDArray[np.integer], seed: int, n_folds: int) -> NDArray[np.int64]:
    """Deal groups out to folds, one label after the other, so that every label is in all folds in proportion.

    Args:
        codes: Number of each photo's label, (n_photos,).
        groups: Group of each photo. One whose photos have several labels counts for that of its first photo.
        seed: Seed of the order in which they are dealt.
        n_folds: Number of folds.

    Returns:
        Fold of each photo, (n_photos,): the same for all photos of a group.

    """
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    by_chance = np.random.default_rng(seed).permutation(len(first))
    order = by_chance[np.argsort(codes[first][by_chance], kind="stable")]
    folds = np.empty(len(first), np.int64)
    folds[order] = np.arange(len(first)) % n_folds
    dealt: NDArray[np.int64] = folds[members]
    return dealt
