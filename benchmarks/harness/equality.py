"""A fast wrong answer is no answer: what the results of a round must have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from harness.features import Features

MAX_DIFFERENCE = 1e-3
"""Of a float32 feature: engines round differently."""

MIN_COSINE = 0.99999
"""Between float32 features of a photo."""

MIN_MEAN_COSINE_REDUCED = 0.98
"""Between features of reduced precision and float32: they differ, but a broken network would differ far more."""

MAX_RATIO_DIFFERENCE = 1e-6
"""Of explained variance ratios."""

MAX_NORM_DIFFERENCE = 1e-3
"""Of the length of a photo's projection, relative: what neither signs nor near-equal eigenvalues change."""


@dataclass(frozen=True)
class Check:
    """A comparison that came out.

    Attributes:
        contestant: Whose result was compared with the project's.
        what: What was compared.
        found: The number.
        allowed: What it had to be.
        passed: Whether it was.

    """

    contestant: str
    what: str
    found: float
    allowed: str
    passed: bool


def check_features(contestant: str, features: Features, reference: Features, *, reduced: bool) -> Iterator[Check]:
    """Compare features with the project's float32 ones; `reduced`: they are of a reduced precision."""
    different = len(set(features.photos) ^ set(reference.photos)) + len(features.photos) - len(set(features.photos))
    yield Check(contestant, "photos missing, strange or double", different, "0", different == 0)
    if different:
        return
    cosines = features.cosines(reference)
    if reduced:
        mean = float(cosines.mean())
        yield Check(contestant, "mean cosine", mean, f">= {MIN_MEAN_COSINE_REDUCED}", mean >= MIN_MEAN_COSINE_REDUCED)
        return
    worst, difference = float(cosines.min()), features.difference(reference)
    yield Check(contestant, "smallest cosine", worst, f">= {MIN_COSINE}", worst >= MIN_COSINE)
    yield Check(contestant, "largest difference", difference, f"<= {MAX_DIFFERENCE}", difference <= MAX_DIFFERENCE)


def check_explained_variance(
    contestant: str, ratios: NDArray[np.float64], reference: NDArray[np.float64], n_components: int
) -> Iterator[Check]:
    """Compare the explained variance ratios of the kept components."""
    difference = float(np.abs(ratios[:n_components] - reference[:n_components]).max())
    allowed = f"<= {MAX_RATIO_DIFFERENCE}"
    yield Check(contestant, "difference of variance ratios", difference, allowed, difference <= MAX_RATIO_DIFFERENCE)


def check_export(contestant: str, export: pd.DataFrame, reference: pd.DataFrame) -> Iterator[Check]:
    """Compare exported tables: photos, labels, number of components, and the projections up to rotation."""
    more = abs(len(export.columns) - len(reference.columns))
    yield Check(contestant, "components more or fewer", more, "0", more == 0)
    other_labels = len(set(export["label"].items()) ^ set(reference["label"].items()))
    yield Check(contestant, "photos of another label", other_labels, "0", other_labels == 0)
    if not more and not other_labels:
        norms, others = (np.linalg.norm(table.drop(columns="label"), axis=1) for table in (export, reference))
        difference = float(np.abs(norms / others - 1).max())
        allowed = f"<= {MAX_NORM_DIFFERENCE}"
        yield Check(contestant, "difference of projections' lengths", difference, allowed, difference <= MAX_NORM_DIFFERENCE)
