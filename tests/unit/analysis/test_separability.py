"""How well features tell labels apart: what is measured, on which photos, and when nothing can be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fruit_features.analysis.separability import LINEAR_PROBE, NEIGHBOURS, UnmeasurableError, score_classifiers, split

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clouds(n_labels: int, n_photos: int, spread: float = 0.1) -> tuple[NDArray[np.float32], list[str]]:
    """Photos in clouds about the corners of a simplex, a label each."""
    rng = np.random.default_rng(0)
    features = np.repeat(np.eye(n_labels), n_photos, axis=0) + rng.normal(0, spread, (n_labels * n_photos, n_labels))
    return features.astype(np.float32), [f"label {number}" for number in range(n_labels) for _ in range(n_photos)]


def test_labels_that_lie_apart_are_told_apart() -> None:
    features, labels = clouds(4, 20)
    assert [(score.classifier, score.accuracy) for score in score_classifiers(features, labels, 0)] == [
        (NEIGHBOURS, 1.0),
        (LINEAR_PROBE, 1.0),
    ]


def test_labels_that_mean_nothing_are_guessed() -> None:
    features, labels = clouds(4, 100, spread=100.0)
    for score in score_classifiers(features, labels, 0):
        assert 0.1 < score.accuracy < 0.4


def test_accuracies_are_those_of_scikit_learn() -> None:
    features, labels = clouds(3, 40, spread=0.6)
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        features, labels, test_size=0.25, random_state=7, stratify=labels
    )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = [model.fit(seen, seen_labels).score(unseen, unseen_labels) for model in (KNeighborsClassifier(5), probe)]
    scores = score_classifiers(features, labels, 7)
    assert [score.accuracy for score in scores] == expected
    assert all(0.5 < accuracy < 1 for accuracy in expected), "hard enough to be a test"
    assert {(score.n_train, score.n_test) for score in scores} == {(90, 30)}


def test_every_label_is_held_out_in_proportion() -> None:
    _, labels = clouds(5, 12)
    train, test = split(labels, 0)
    assert set(Counter(labels[position] for position in test).values()) == {3}
    assert set(Counter(labels[position] for position in train).values()) == {9}


def test_a_seed_always_gives_the_same_split() -> None:
    _, labels = clouds(5, 12)
    first, again, another = (split(labels, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(another)


def test_the_only_photo_of_a_label_is_left_out() -> None:
    features, labels = clouds(3, 10)
    scores = score_classifiers(np.vstack([features, features[:1]]), [*labels, "lonely"], 0)
    assert {score.n_train + score.n_test for score in scores} == {30}


def test_photos_without_a_label_are_left_out() -> None:
    features, labels = clouds(3, 10)
    unlabelled = [None if position % 2 else label for position, label in enumerate(labels)]
    train, test = split(unlabelled, 0)
    assert sorted([*train, *test]) == [position for position, label in enumerate(unlabelled) if label is not None]
    every_other = np.arange(0, len(labels), 2)
    expected = score_classifiers(features[every_other], [labels[position] for position in every_other], 0)
    assert score_classifiers(features, unlabelled, 0) == expected


def test_more_labels_than_held_out_photos_are_measured_all_the_same() -> None:
    features, labels = clouds(20, 2)
    for score in score_classifiers(features, labels, 0):
        assert (score.n_train, score.n_test) == (30, 10)
        assert 0 <= score.accuracy <= 1


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "fewer than two labels"),
        (["Pear"] * 50, "fewer than two labels"),
        (["Apple", "Kiwi", "Pear"], "fewer than two labels"),
        (["Apple"] * 9 + ["Pear"], "fewer than two labels"),
        (["Apple"] * 2 + ["Pear"] * 2, "3 photos to learn from are too few for 5 nearest neighbours"),
    ],
)
def test_what_cannot_be_measured_is_said_with_the_reason(labels: list[str], reason: str) -> None:
    with pytest.raises(UnmeasurableError, match=reason):
        score_classifiers(np.zeros((len(labels), 3), np.float32), labels, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["", "Apple", "Äpfel", "0", "nan", "<b>"]), max_size=40))
def test_any_labels_are_scored_or_refused(labels: list[str]) -> None:
    features = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    try:
        scores = score_classifiers(features, labels, 0)
    except UnmeasurableError:
        return
    usable = sum(count for count in Counter(labels).values() if count > 1)
    for score in scores:
        assert 0 <= score.accuracy <= 1
        assert score.n_train + score.n_test == usable
