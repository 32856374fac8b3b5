"""Label issues: planted wrong labels are found, copies never stand on both sides, and odd inputs have no issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from fruit_features.analysis.folds import assign_folds
from fruit_features.analysis.label_issues import N_FOLDS, find_label_issues, out_of_sample_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_PHOTOS, N_LABELS = 240, 4
RNG = np.random.default_rng(0)
CODES = np.arange(N_PHOTOS) % N_LABELS
FEATURES = (RNG.normal(size=(N_LABELS, 8)) * 6)[CODES] + RNG.normal(size=(N_PHOTOS, 8))
LABELS = [f"label {code}" for code in CODES]
ALONE = np.arange(N_PHOTOS)


def photos_with_issues(labels: list[str | None], groups: NDArray[np.int64] = ALONE, min_score: float = 0.9) -> dict[int, str]:
    issues = find_label_issues(FEATURES, labels, groups, 0, min_score=min_score)
    assert all(min_score <= issue.score <= 1 for issue in issues)
    return {issue.photo: issue.suggested_label for issue in issues}


def test_wrong_labels_are_found_with_the_right_ones_suggested() -> None:
    labels: list[str | None] = [*LABELS]
    for photo in (3, 50, 117):
        labels[photo] = LABELS[photo + 1]
    assert photos_with_issues(labels) == {photo: LABELS[photo] for photo in (3, 50, 117)}


def test_right_labels_are_no_issues() -> None:
    assert photos_with_issues([*LABELS]) == {}


def test_a_copy_with_the_same_wrong_label_teaches_nothing() -> None:
    """Two copies of photo 0 have the wrong label, too: among the photos that are learned from, they would vouch for it."""
    groups = ALONE.copy()
    groups[[4, 8]] = 0
    folds = assign_folds(CODES, groups, 0, N_FOLDS)
    assert folds[0] == folds[4] == folds[8]


def test_photos_without_a_label_are_left_out() -> None:
    labels: list[str | None] = [*LABELS]
    labels[:4] = [None] * 4
    labels[9] = LABELS[10]
    assert photos_with_issues(labels) == {9: LABELS[9]}


@pytest.mark.parametrize(
    "labels",
    [
        [None] * N_PHOTOS,
        ["the same"] * N_PHOTOS,
        [str(photo) for photo in range(N_PHOTOS)],
        ["one", *["the same"] * (N_PHOTOS - 1)],
    ],
    ids=["no label", "one label", "one photo a label", "one label of many photos"],
)
def test_where_nothing_can_be_learned_there_are_no_issues(labels: list[str | None]) -> None:
    assert photos_with_issues(labels) == {}


def test_no_photos_have_no_issues() -> None:
    assert find_label_issues(np.empty((0, 0)), [], np.empty(0, int), 0, min_score=0.9) == []


def test_equal_photos_have_no_issues_of_a_high_score() -> None:
    assert find_label_issues(np.zeros((N_PHOTOS, 3)), LABELS, ALONE, 0, min_score=0.9) == []


def test_probabilities_are_those_of_photos_that_were_not_learned_from() -> None:
    """Labels by chance cannot be named, unless they were seen."""
    codes = np.random.default_rng(1).integers(0, 2, 300)
    features = np.random.default_rng(2).normal(size=(300, 100))
    probabilities = out_of_sample_probabilities(features, codes, np.arange(300), 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == codes).mean() < 0.65


def test_probabilities_are_as_certain_as_they_are_right() -> None:
    """A fifth of the labels are of chance, of which photos that lie far apart tell nothing."""
    rng = np.random.default_rng(3)
    groups_of_photos = rng.integers(0, 2, 2000)
    codes = np.where(rng.random(2000) < 0.2, 1 - groups_of_photos, groups_of_photos)
    features = 10 * groups_of_photos[:, np.newaxis] + rng.normal(size=(2000, 5)) * rng.choice([0.5, 3], (2000, 1))
    probabilities = out_of_sample_probabilities(features, codes, np.arange(2000), 0)
    is_right = probabilities.argmax(axis=1) == codes
    assert is_right.mean() == pytest.approx(0.8, abs=0.03)
    assert probabilities.max(axis=1).mean() == pytest.approx(is_right.mean(), abs=0.03)
