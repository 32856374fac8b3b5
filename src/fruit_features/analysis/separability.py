"""Measures how well features tell labels apart: two classifiers learn the labels of some photos, and name those of others.

This module knows numpy and scikit-learn only. The latter is imported when something is measured, as that takes a second.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from fruit_features.analysis.folds import assign_folds, learnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

N_FOLDS: Final = 3
"""Folds of the cross-validation. Each more is two more fits of a logistic regression, which take most of the time."""

_MIN_GROUPS: Final = 2
"""Groups of copies that a label has at least: one to learn it from, and one to name."""

N_NEIGHBOURS: Final = 5

NEIGHBOURS: Final = f"{N_NEIGHBOURS} nearest neighbours"
LINEAR_PROBE: Final = "linear probe"
"""A logistic regression on standardised columns."""

TRAIN: Final = "train"
"""What the name of the split begins with, in any case, whose photos are learned from."""


class UnmeasurableError(ValueError):
    """Separability cannot be measured on these photos; the message says why, and can stand in a table."""


@dataclass(frozen=True)
class Trial:
    """Which photos the classifiers learn from, and which they name then.

    Attributes:
        parts: For each time that they learn: positions of the photos that they learn from, and of those that they name. No
            photo is named twice.
        method: How these were chosen and how many were left out, in words that can stand in a table.

    """

    parts: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    method: str

    @property
    def named(self) -> NDArray[np.int64]:
        """Positions of all photos that are named, in the order in which they are, (n_named,)."""
        return np.concatenate([named for _, named in self.parts])


@dataclass(frozen=True)
class Score:
    """What one classifier made of a trial.

    Attributes:
        classifier: `NEIGHBOURS` or `LINEAR_PROBE`.
        accuracy: Share of the named photos that got their own label, in [0, 1].
        n_train: Photos it learned from; of a cross-validation, the mean of the folds.
        n_test: Photos it named.
        predicted: The labels it gave them, in the order of `Trial.named`.

    """

    classifier: str
    accuracy: float
    n_train: int
    n_test: int
    predicted: tuple[str, ...]


@dataclass(frozen=True)
class LabelScore:
    """How well one label is told from the others.

    Attributes:
        label: The label.
        n_photos: Named photos that have it.
        recall: Share of them that got it, in [0, 1].
        precision: Share of the photos that got it and have it, in [0, 1]; NaN if no photo got it.

    """

    label: str
    n_photos: int
    recall: float
    precision: float


def plan_trial(
    labels: Sequence[str | None], groups: NDArray[np.integer], splits: Sequence[str | None] | None, seed: int
) -> Trial:
    """Choose what is learned from and what is named: by the split where there is one, else by cross-validation.

    Args:
        labels: Label of every photo. Photos without one (None) take no part.
        groups: Group of every photo, (n_photos,): copies are in one, and never on both sides.
        splits: Split of every photo, or None if there are no splits. Photos of a split whose name begins with `TRAIN` are
            learned from, and those of all other splits are named; photos without a split (None) take no part. If there are
            not both kinds, it is as if there were no splits.
        seed: Seed of the folds.

    Raises:
        UnmeasurableError: There are too few photos or labels.

    """
    is_labelled = np.array([label is not None for label in labels], bool)
    if splits is not None:
        has_split = np.array([split is not None for split in splits], bool)
        is_of_train = np.array([(split or "").casefold().startswith(TRAIN) for split in splits], bool)
        is_train, is_test = is_labelled & is_of_train, is_labelled & has_split & ~is_of_train
        if is_train.any() and is_test.any():
            return _plan_by_split(labels, groups, np.flatnonzero(is_train), np.flatnonzero(is_test))
    return _plan_cross_validation(labels, groups, int(is_labelled.sum()), seed)


def score_classifiers(
    features: NDArray[np.floating], labels: Sequence[str | None], trial: Trial, *, tolerance: float = 1e-4
) -> list[Score]:
    """Let both classifiers learn, and score them on the photos that they name.

    Args:
        features: (n_photos, n_columns).
        labels: Label of every photo.
        trial: What is learned from, and what is named. Features of the same photos are compared on one trial.
        tolerance: Where the fit of the linear probe stops. With many labels 1e-3 is several times as fast as scikit-learn's
            own choice, and moves the accuracy by less than another seed would.

    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.asarray(labels, object)
    classifiers = {
        NEIGHBOURS: KNeighborsClassifier(N_NEIGHBOURS),
        LINEAR_PROBE: make_pipeline(StandardScaler(), LogisticRegression(tol=tolerance, max_iter=1000)),
    }
    n_train = round(float(np.mean([len(learned) for learned, _ in trial.parts])))
    given = names[trial.named].tolist()
    scores = []
    for name, classifier in classifiers.items():
        predicted: list[str] = []
        for learned, named in trial.parts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn wonders about labels of two photos
                predicted += classifier.fit(features[learned], names[learned]).predict(features[named]).tolist()
        accuracy = float(accuracy_score(given, predicted))
        scores.append(Score(name, accuracy, n_train, len(given), tuple(predicted)))
    return scores


def score_labels(given: Sequence[str], predicted: Sequence[str]) -> list[LabelScore]:
    """Score every label that named photos have, in the order of the labels.

    Args:
        given: Labels of the named photos.
        predicted: The labels that a classifier gave them.

    """
    from sklearn.metrics import precision_recall_fscore_support

    names = sorted(set(given))
    precision, recall, _, n_photos = precision_recall_fscore_support(
        given, predicted, labels=names, average=None, zero_division=np.nan
    )
    return [LabelScore(*score) for score in zip(names, n_photos.tolist(), recall.tolist(), precision.tolist(), strict=True)]


def _plan_cross_validation(labels: Sequence[str | None], groups: NDArray[np.integer], n_labelled: int, seed: int) -> Trial:
    chosen = learnable(labels, groups, _MIN_GROUPS)
    if not len(chosen):
        raise UnmeasurableError(_why_nothing_can_be_told_apart(labels, groups))
    _, codes = np.unique(np.array([str(labels[photo]) for photo in chosen]), return_inverse=True)
    folds = assign_folds(codes, groups[chosen], seed, N_FOLDS)
    parts = tuple((chosen[folds != fold], chosen[folds == fold]) for fold in range(N_FOLDS) if (folds == fold).any())
    n_alone = n_labelled - len(chosen)
    alone = f"{n_alone:,} of {n_labelled:,} photos are left out, as no other photo but copies has their label"
    _refuse_too_few(min(len(learned) for learned, _ in parts), alone if n_alone else "")
    return Trial(parts, f"{N_FOLDS}-fold cross-validation, copies in one fold{f'; {alone}' if n_alone else ''}")


def _plan_by_split(
    labels: Sequence[str | None], groups: NDArray[np.integer], train: NDArray[np.int64], test: NDArray[np.int64]
) -> Trial:
    known = {labels[photo] for photo in train}
    if len(known) < 2:  # noqa: PLR2004 - there is nothing to tell apart
        raise UnmeasurableError(f"all {len(train):,} photos of the split {TRAIN} have the same label")
    is_copy = np.isin(groups[test], groups[train])
    is_unknown = np.array([labels[photo] not in known for photo in test], bool) & ~is_copy
    reasons = [
        f"{n_photos:,} of {len(test):,} photos are left out, as {reason}"
        for n_photos, reason in (
            (is_copy.sum(), "they are copies of photos that are learned from"),
            (is_unknown.sum(), "no photo that is learned from has their label"),
        )
        if n_photos
    ]
    named = test[~is_copy & ~is_unknown]
    if not len(named):
        raise UnmeasurableError(f"there is no photo to name beside the split {TRAIN}: {'; '.join(reasons)}")
    _refuse_too_few(len(train), "")
    return Trial(((train, named),), "; ".join([f"learned from the split {TRAIN}, tested on the others", *reasons]))


def _refuse_too_few(n_learned: int, why: str) -> None:
    if n_learned < N_NEIGHBOURS:
        raise UnmeasurableError(f"{n_learned} photos to learn from are too few for {NEIGHBOURS}{f': {why}' if why else ''}")


def _why_nothing_can_be_told_apart(labels: Sequence[str | None], groups: NDArray[np.integer]) -> str:
    named = np.flatnonzero([label is not None for label in labels])
    names, n_photos = np.unique([label for label in labels if label is not None], return_counts=True)
    known = "fewer than two labels have two photos or more"
    if not len(names):
        return f"{known}: no photo has a label"
    if len(names) == 1:
        return f"{known}: all photos have the same label"
    n_single = int((n_photos == 1).sum())
    if n_single >= len(names) - 1:
        return f"{known}: {n_single:,} of {len(names):,} labels have a single photo, which cannot be learned and named as well"
    n_contents = len(np.unique(groups[named]))
    return f"{known} that are no copies of one another: {len(named):,} photos are {n_contents:,} but for copies"
