"""How well features tell labels apart: what is measured, on which photos, and when nothing can be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fruit_features.analysis.separability import (
    LINEAR_PROBE,
    N_FOLDS,
    N_NEIGHBOURS,
    NEIGHBOURS,
    LabelScore,
    Score,
    Trial,
    UnmeasurableError,
    plan_trial,
    score_classifiers,
    score_labels,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def clouds(n_labels: int, n_photos: int, spread: float = 0.1) -> tuple[NDArray[np.float32], list[str]]:
    """Photos in clouds about the corners of a simplex, a label each."""
    rng = np.random.default_rng(0)
    features = np.repeat(np.eye(n_labels), n_photos, axis=0) + rng.normal(0, spread, (n_labels * n_photos, n_labels))
    return features.astype(np.float32), [f"label {number}" for number in range(n_labels) for _ in range(n_photos)]


def cross_validation(labels: Sequence[str | None], seed: int = 0) -> Trial:
    """A trial of photos none of which is a copy, and that have no split."""
    return plan_trial(labels, np.arange(len(labels)), None, seed)


def score(features: NDArray[np.float32], labels: Sequence[str | None], seed: int = 0) -> list[Score]:
    return score_classifiers(features, labels, cross_validation(labels, seed))


# --- accuracies -------------------------------------------------------------------------------------------------------


def test_labels_that_lie_apart_are_told_apart() -> None:
    assert [(found.classifier, found.accuracy) for found in score(*clouds(4, 20))] == [(NEIGHBOURS, 1.0), (LINEAR_PROBE, 1.0)]


def test_labels_that_mean_nothing_are_guessed() -> None:
    for found in score(*clouds(4, 100, spread=100.0)):
        assert 0.1 < found.accuracy < 0.4


def test_photos_are_named_as_scikit_learn_names_them() -> None:
    features, labels = clouds(3, 40, spread=0.6)
    trial = cross_validation(labels, 7)
    names = np.array(labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for model, found in zip((KNeighborsClassifier(5), probe), score_classifiers(features, labels, trial), strict=True):
        expected = np.concatenate(
            [model.fit(features[learned], names[learned]).predict(features[named]) for learned, named in trial.parts]
        )
        assert found.predicted == tuple(expected)
        assert found.accuracy == np.mean(expected == names[trial.named])
        assert 0.5 < found.accuracy < 1, "hard enough to be a test"
        assert (found.n_train, found.n_test) == (80, 120)


def test_labels_are_scored_one_by_one() -> None:
    given = ["a", "a", "a", "a", "b", "c"]
    a, b, c = score_labels(given, ["a", "a", "b", "a", "b", "a"])
    assert a == LabelScore("a", 4, 0.75, 0.75)
    assert b == LabelScore("b", 1, 1.0, 0.5)
    assert (c.label, c.n_photos, c.recall) == ("c", 1, 0.0)
    assert np.isnan(c.precision), "no photo was named c"


# --- cross-validation -------------------------------------------------------------------------------------------------


def test_every_photo_is_named_once_by_what_was_learned_from_others() -> None:
    _, labels = clouds(5, 12)
    trial = cross_validation(labels)
    assert len(trial.parts) == N_FOLDS
    assert sorted(trial.named) == list(range(60))
    for learned, named in trial.parts:
        assert not set(learned) & set(named)
        assert set(Counter(labels[photo] for photo in named).values()) == {4}
        assert set(Counter(labels[photo] for photo in learned).values()) == {8}
    assert trial.method == "3-fold cross-validation, copies in one fold"


def test_a_seed_always_gives_the_same_folds() -> None:
    _, labels = clouds(5, 12)
    first, again, another = (cross_validation(labels, seed).parts[0][1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(another)


def test_copies_do_not_vouch_for_each_other() -> None:
    """Labels by chance cannot be named, unless a copy was learned from: the accuracies of near copies would be lies."""
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(50, 100)).astype(np.float32)
    features = np.repeat(originals, 6, axis=0)
    labels = np.repeat(rng.choice(["a", "b", "c"], 50), 6).tolist()
    groups = np.repeat(np.arange(50), 6)
    for learned, named in plan_trial(labels, groups, None, 0).parts:
        assert not set(groups[learned]) & set(groups[named])
    honest = score_classifiers(features, labels, plan_trial(labels, groups, None, 0))
    fooled = score_classifiers(features, labels, cross_validation(labels))
    for score_of_groups, score_of_photos in zip(honest, fooled, strict=True):
        assert score_of_groups.accuracy < 0.55 < score_of_photos.accuracy


def test_the_only_photo_of_a_label_is_left_out() -> None:
    features, labels = clouds(3, 10)
    labels += ["lonely", "twins", "twins"]
    groups = np.array([*range(31), 40, 40])
    trial = plan_trial(labels, groups, None, 0)
    assert sorted(trial.named) == list(range(30))
    assert trial.method.endswith("; 3 of 33 photos are left out, as no other photo but copies has their label")
    assert {found.n_test for found in score_classifiers(np.vstack([features, features[:3]]), labels, trial)} == {30}


def test_photos_without_a_label_are_left_out() -> None:
    features, labels = clouds(3, 10)
    unlabelled = [None if position % 2 else label for position, label in enumerate(labels)]
    assert sorted(cross_validation(unlabelled).named) == list(range(0, 30, 2))
    expected = score(features[::2], labels[::2])
    assert score(features, unlabelled) == expected


def test_a_thousand_labels_of_two_photos_are_measured() -> None:
    _, labels = clouds(1000, 2)
    for learned, named in cross_validation(labels).parts:
        assert {labels[photo] for photo in named} <= {labels[photo] for photo in learned}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], r"^fewer than two labels have two photos or more: no photo has a label$"),
        ([None] * 9, "no photo has a label$"),
        (["Pear"] * 50, "all photos have the same label$"),
        ([str(number) for number in range(1000)], "1,000 of 1,000 labels have a single photo, which cannot be"),
        (["Apple"] * 9 + ["Pear"], "1 of 2 labels have a single photo"),
        (["Apple"] * 2 + ["Pear"] * 2, "^[123] photos to learn from are too few for 5 nearest neighbours$"),
        (
            ["Apple"] * 2 + ["Pear"] * 2 + [str(number) for number in range(996)],
            "photos to learn from are too few for 5 nearest neighbours: 996 of 1,000 photos are left out, as no other photo "
            "but copies has their label$",
        ),
    ],
)
def test_what_cannot_be_measured_is_said_with_the_reason(labels: list[str | None], reason: str) -> None:
    with pytest.raises(UnmeasurableError, match=reason):
        cross_validation(labels)


def test_photos_that_are_all_equal_are_no_two() -> None:
    with pytest.raises(UnmeasurableError, match="that are no copies of one another: 40 photos are 1 but for copies"):
        plan_trial(["a", "b"] * 20, np.zeros(40, int), None, 0)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "", "Apple", "Äpfel", "0", "nan", "<b>"]),
            st.integers(0, 30),
            st.sampled_from([None, "train", "Training", "test"]),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_any_photos_are_scored_or_refused(photos: list[tuple[str | None, int, str | None]], has_splits: bool) -> None:
    labels, groups, splits = [list(column) for column in zip(*photos, strict=True)] or [[], [], []]
    features = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    try:
        trial = plan_trial(labels, np.array(groups, int), splits if has_splits else None, 0)
    except UnmeasurableError:
        return
    named = trial.named.tolist()
    assert len(named) == len(set(named))
    for learned, _ in trial.parts:
        assert len(learned) >= N_NEIGHBOURS
    for found in score_classifiers(features, labels, trial):
        assert 0 <= found.accuracy <= 1
        assert found.n_test == len(named)
        assert set(found.predicted) <= {labels[photo] for learned, _ in trial.parts for photo in learned}


# --- by the split -----------------------------------------------------------------------------------------------------


def test_where_there_is_a_split_train_is_learned_from_and_all_others_are_named() -> None:
    _, labels = clouds(2, 10)
    splits = (["Training"] * 6 + ["test", "val", "test", None]) * 2
    trial = plan_trial(labels, np.arange(20), splits, 0)
    ((learned, named),) = trial.parts
    assert learned.tolist() == [*range(6), *range(10, 16)]
    assert named.tolist() == [6, 7, 8, 16, 17, 18]
    assert trial.method == "learned from the split train, tested on the others"


def test_leaks_and_labels_that_train_lacks_are_not_named() -> None:
    labels = ["a"] * 4 + ["b"] * 4 + ["a", "b", "c"]
    splits = ["train"] * 8 + ["test"] * 3
    groups = np.array([*range(8), 0, 20, 21])
    trial = plan_trial(labels, groups, splits, 0)
    assert trial.named.tolist() == [9]
    assert "1 of 3 photos are left out, as they are copies of photos that are learned from" in trial.method
    assert "1 of 3 photos are left out, as no photo that is learned from has their label" in trial.method


@pytest.mark.parametrize("split", ["test", "train", None])
def test_a_split_of_one_kind_is_none(split: str | None) -> None:
    _, labels = clouds(3, 10)
    trial = plan_trial(labels, np.arange(30), [split] * 30, 0)
    assert trial.method.startswith("3-fold cross-validation")


@pytest.mark.parametrize(
    ("labels", "splits", "groups", "reason"),
    [
        ("aaaaaaab", "ttttttt.", range(8), "all 7 photos of the split train have the same label"),
        ("abab", "ttt.", range(4), "3 photos to learn from are too few for 5 nearest neighbours"),
        ("abababab", "tttttt..", [0, 1, 2, 3, 4, 5, 0, 1], "there is no photo to name .* they are copies"),
    ],
)
def test_a_split_that_cannot_be_measured_is_refused(labels: str, splits: str, groups: Sequence[int], reason: str) -> None:
    names = ["train" if split == "t" else "test" for split in splits]
    with pytest.raises(UnmeasurableError, match=reason):
        plan_trial([*labels], np.array(groups), names, 0)
