"""Folds: copies stay together, labels are spread evenly, and labels that cannot be learned are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruit_features.analysis.folds import assign_folds, learnable


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(2, 5))
def test_groups_stay_together_and_labels_are_spread_evenly(seed: int, n_photos: int, n_folds: int) -> None:
    rng = np.random.default_rng(seed)
    groups, codes = rng.integers(0, 20, n_photos), rng.integers(0, 3, n_photos)
    folds = assign_folds(codes, groups, seed, n_folds)
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    alone = assign_folds(codes, np.arange(n_photos), seed, n_folds)
    for code in set(codes.tolist()):
        sizes = np.bincount(alone[codes == code], minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1


@given(
    st.lists(st.tuples(st.sampled_from([None, "a", "b", "c", "d"]), st.integers(0, 8)), max_size=30),
    st.integers(1, 4),
)
def test_what_is_learnable_can_be_learned_without_any_one_fold(photos: list[tuple[str | None, int]], n_groups: int) -> None:
    labels, groups = [label for label, _ in photos], np.array([group for _, group in photos], int)
    chosen = learnable(labels, groups, n_groups + 1)
    if not len(chosen):
        return
    assert None not in {labels[photo] for photo in chosen}
    names, codes = np.unique([str(labels[photo]) for photo in chosen], return_inverse=True)
    assert len(names) > 1
    folds = assign_folds(codes, groups[chosen], 0, n_groups + 1)
    for fold in set(folds.tolist()):
        assert set(codes[folds != fold].tolist()) == set(range(len(names)))


@pytest.mark.parametrize(
    ("labels", "groups", "expected"),
    [
        ([], [], []),
        ([None, None], [0, 1], []),
        (["a", "a", "a"], [0, 1, 2], []),
        (["a", "a", "b"], [0, 1, 2], []),
        (["a", "a", "b", "b", "c"], [0, 1, 2, 3, 4], [0, 1, 2, 3]),
        (["a", "a", "b", "b"], [0, 0, 2, 3], []),
        (["a", "a", "b", "b", None], [0, 1, 2, 3, 4], [0, 1, 2, 3]),
        # The group of photo 0 counts for its label alone, though photo 1 is in it, too.
        (["c", "a", "a", "b", "b"], [0, 0, 1, 2, 3], []),
        (["c", "a", "a", "a", "b", "b"], [0, 0, 1, 4, 2, 3], [1, 2, 3, 4, 5]),
    ],
)
def test_labels_of_too_few_groups_are_left_out(labels: list[str | None], groups: list[int], expected: list[int]) -> None:
    assert learnable(labels, np.array(groups, int), 2).tolist() == expected
