"""How well components tell labels apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.model_selection import train_test_split

from fruit_features.analysis.separability import LINEAR_PROBE, NEIGHBOURS, Trial, score_classifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SEED: Final = 0
"""Of the split: every benchmark holds out the same photos."""

HELD_OUT: Final = 0.25


def accuracies(components: NDArray[np.floating], labels: Sequence[str]) -> tuple[float, float]:
    """Let two classifiers learn the labels of three quarters of the photos, and score them on the rest.

    Args:
        components: (n_photos, n_components).
        labels: Of every photo.

    Returns:
        Share of the held-out photos whose label the linear probe names, and the nearest neighbours.

    """
    learned, named = train_test_split(np.arange(len(labels)), test_size=HELD_OUT, random_state=SEED, stratify=labels)
    trial = Trial(((learned, named),), f"{HELD_OUT:.0%} held out")
    scores = {score.classifier: score.accuracy for score in score_classifiers(components, labels, trial)}
    return scores[LINEAR_PROBE], scores[NEIGHBOURS]
