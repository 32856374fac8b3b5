"""Measures how well features separate labels: two classifiers are trained on most of the photos and tested on the others.

This module knows numpy and scikit-learn only. The latter is imported when something is measured, as that takes a second.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HELD_OUT = 0.25
"""Share of the photos that the classifiers are scored on, and have not seen."""

N_NEIGHBOURS = 5

NEIGHBOURS = f"{N_NEIGHBOURS} nearest neighbours"
LINEAR_PROBE = "linear probe"
"""A logistic regression on standardised columns."""


class UnmeasurableError(ValueError):
    """Separability cannot be measured on these photos; the message says why, and can stand in a table."""


@dataclass(frozen=True)
class Score:
    """One classifier on the held-out photos.

    Attributes:
        classifier: `NEIGHBOURS` or `LINEAR_PROBE`.
        accuracy: Share of the held-out photos whose label it names, in [0, 1].
        n_train: Photos it learned from.
        n_test: Held-out photos.

    """

    classifier: str
    accuracy: float
    n_train: int
    n_test: int


def score_classifiers(
    features: NDArray[np.floating], labels: Sequence[str | None], seed: int, *, tolerance: float = 1e-4
) -> list[Score]:
    """Let both classifiers learn from three quarters of the photos, and score them on the rest.

    The split depends on the labels, their order and the seed alone: features of the same photos are compared on one split.

    Args:
        features: (n_photos, n_columns).
        labels: Label of every photo. The only photo of a label is left out, as it cannot be learned and named as well, and so
            are photos without a label (None).
        seed: Seed of the split.
        tolerance: Where the fit of the linear probe stops. With many labels 1e-3 is several times as fast as scikit-learn's
            own choice, and moves the accuracy by less than another seed would.

    Raises:
        UnmeasurableError: Fewer than two labels have two photos, or there are too few photos to learn from.

    """
    train, test = split(labels, seed)
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.asarray(labels, object)
    classifiers = {
        NEIGHBOURS: KNeighborsClassifier(N_NEIGHBOURS),
        LINEAR_PROBE: make_pipeline(StandardScaler(), LogisticRegression(tol=tolerance, max_iter=1000)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn wonders about labels of two photos
        accuracies = {
            name: float(classifier.fit(features[train], names[train]).score(features[test], names[test]))
            for name, classifier in classifiers.items()
        }
    return [Score(name, accuracy, n_train=len(train), n_test=len(test)) for name, accuracy in accuracies.items()]


def split(labels: Sequence[str | None], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the photos to learn from and those to hold out, in proportion for every label unless there are too few for that.

    Args:
        labels: Label of every photo; those without one (None) are not chosen.
        seed: Seed of the choice.

    Returns:
        (train, test): positions in `labels`.

    Raises:
        UnmeasurableError: As `score_classifiers`.

    """
    labelled = np.flatnonzero([label is not None for label in labels])
    named = [label for label in labels if label is not None]
    _, codes, counts = np.unique(np.asarray(named, str), return_inverse=True, return_counts=True)
    n_labels = int((counts > 1).sum())
    if n_labels < 2:  # noqa: PLR2004 - there is nothing to tell apart
        raise UnmeasurableError("fewer than two labels have two photos or more")
    is_learnable = counts[codes] > 1
    positions, codes = labelled[is_learnable], codes[is_learnable]
    n_test = int(np.ceil(HELD_OUT * len(positions)))
    n_train = len(positions) - n_test
    if n_train < N_NEIGHBOURS:
        raise UnmeasurableError(f"{n_train} photos to learn from are too few for {NEIGHBOURS}")
    from sklearn.model_selection import train_test_split

    stratified = codes if min(n_train, n_test) >= n_labels else None
    train, test = train_test_split(positions, test_size=n_test, random_state=seed, stratify=stratified)
    return train, test
