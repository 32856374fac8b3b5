"""Finds photos that differ from the others: by a measure that is far from the median, in units of the median deviation.

Median and median deviation do not move with the photos that are looked for, as mean and standard deviation would. (Iglewicz
and Hoaglin, "How to detect and handle outliers", 1993, whose threshold is 3.5.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FACTS: Final = ("brightness", "contrast", "sharpness", "width", "height")
"""Facts about a photo that it may be odd by."""

MIN_PHOTOS: Final = 10
"""Photos without which there is no telling what is usual."""

MAX_SHARE: Final = 0.05
"""Of all photos: where more are beyond the threshold, they are photos of another kind, and none of them is odd."""

_SIGMAS: Final = 1.4826
"""Median deviations that make a standard deviation, if numbers are normally distributed."""


def robust_scores(values: Floats, unit: float) -> Floats:
    """Say how far numbers are from their median, in standard deviations as the median deviation estimates them.

    Args:
        values: (n_photos,); NaN where there is no number.
        unit: Standard deviations are taken to be no less than this, so that nothing is odd among photos that are nearly equal.

    Returns:
        (n_photos,): negative below the median. NaN where there is no number, and everywhere if fewer than `MIN_PHOTOS` have
        one.

    """
    is_known = np.isfinite(values)
    if np.count_nonzero(is_known) < MIN_PHOTOS:
        return np.full(len(values), np.nan)
    deviations = np.where(is_known, values, np.nan) - np.median(values[is_known])
    scale = max(unit, _SIGMAS * float(np.median(np.abs(deviations[is_known]))))
    scores: Floats = deviations / scale
    return scores


def find_odd(scores: Floats, threshold: float) -> tuple[NDArray[np.intp], Floats]:
    """Find the photos that are beyond a threshold.

    Args:
        scores: (n_photos,): what is odd is far above 0.
        threshold: The least score of an odd photo.

    Returns:
        (positions, oddness), none if more than `MAX_SHARE` of the photos, and more than one, are beyond it. Oddness is in
        [0, 1): 0 at the threshold, 0.5 at twice the threshold.

    """
    positions = np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= threshold)
    if len(positions) > max(1.0, MAX_SHARE * np.count_nonzero(np.isfinite(scores))):
        positions = positions[:0]
    return positions, 1 - threshold / scores[positions]


_LEAST_DIFFERENCES: Final = {
    "brightness": 0.6,
    "contrast": np.log(2),
    "sharpness": np.log(4),
    "size": np.log(2),
    "aspect_ratio": np.log(1.5),
    "distance": np.log(1.5),
}
"""Odd photos differ from the median by no less than this: in the logit of brightness by 0.6, which is 0.15 of 1 around the
middle; in contrast, sides and distances by a factor; in sharpness by a factor of 4."""


def score_facts(facts: Mapping[str, Floats], threshold: float) -> dict[str, Floats]:
    """Score photos by their facts.

    Args:
        facts: `FACTS` of all photos, as `photos.facts.PhotoFacts` defines them, (n_photos,) each.
        threshold: The score from which a photo is odd.

    Returns:
        Scores by kind of finding: the higher, the odder.

    """

    def score(name: str, values: Floats) -> Floats:
        return robust_scores(values, _LEAST_DIFFERENCES[name] / threshold)

    # From 0.9 to 0.95 is as far as from 0.1 to 0.05: where most photos are bright, still brighter ones would never be odd.
    brightness = score("brightness", _log(facts["brightness"]) - _log(1 - facts["brightness"]))
    contrast, width, height = (_log(facts[name]) for name in ("contrast", "width", "height"))
    # What has little contrast has small differences between pixels, too: that alone does not make it blurred.
    sharpness = score("sharpness", _log(facts["sharpness"]) - 2 * contrast)
    return {
        "dark": -brightness,
        "bright": brightness,
        "blurry": -sharpness,
        "low_contrast": -score("contrast", contrast),
        "odd_size": np.abs(score("size", (width + height) / 2)),
        "odd_aspect_ratio": np.abs(score("aspect_ratio", np.abs(width - height))),
    }


def score_distances(distances: Floats, labels: Sequence[str | None], threshold: float) -> Floats:
    """Score photos by how far they are from others: outliers are far among all photos, and among those of their label.

    Args:
        distances: From each photo to its k-th nearest neighbour, (n_photos,).
        labels: Label of each photo, or None. Where a label has fewer than `MIN_PHOTOS`, all photos decide alone.
        threshold: The score from which a photo is an outlier.

    Returns:
        The geometric mean of the scores among all photos and among those of the label, (n_photos,); 0 if one of them is below
        its median. The lower one of the two would miss what does not belong among the photos of a label that vary much.

    """
    unit = _LEAST_DIFFERENCES["distance"] / threshold
    values = _log(distances)
    scores = robust_scores(values, unit)
    named = np.array(["" if label is None else f"={label}" for label in labels], object)
    names, codes = np.unique(named, return_inverse=True)
    for code, name in enumerate(names):
        members = np.flatnonzero(codes == code)
        if name and len(members) >= MIN_PHOTOS:
            among_label = robust_scores(values[members], unit)
            scores[members] = np.sqrt(np.maximum(scores[members], 0) * np.maximum(among_label, 0))
    return scores


def _log(values: Floats) -> Floats:
    """Logarithm; of 0, that of a very small number."""
    logarithms: Floats = np.log(np.maximum(values, 1e-6))
    return logarithms
